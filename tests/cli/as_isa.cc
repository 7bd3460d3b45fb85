// A trace again, as if recorded on another ISA: as_isa IN OUT ISA PAGE [CHUNK]. PAGE is a power of
// two, CHUNK bytes of a chunk. For tests that need traces of several ISAs, or of several chunks;
// records stay as they are.
#include <cstdio>
#include <exception>
#include <string>

#include "trace/reader.h"
#include "trace/writer.h"

namespace mmusim {
namespace {

void replay_blocks(const trace::Batch& batch, trace::Writer& writer) {
  const uint64_t* address = batch.addresses;
  for (const uint32_t number : batch.blocks) {
    const trace::StaticBlock& block = batch.table[number];
    VirtAddr at = block.start;
    unsigned op = 0;
    for (unsigned i = 0; i < block.instructions; ++i) {
      writer.instruction(at, block.lengths[i]);
      at = at + block.lengths[i];
      for (; op < block.mem_ops && block.ops[op].instruction == i; ++op)
        writer.access(block.ops[op].kind, VirtAddr(*address++), block.ops[op].bytes);
    }
  }
}

void rewrite(const std::string& in, const std::string& out, const std::string& isa, unsigned page,
             const trace::WriterOptions& options) {
  trace::Reader reader(in);
  trace::Header header = reader.header();
  header.isa = isa;
  header.big_endian = isa == "ppc64" || isa == "sparc64";
  header.page = PageShift(page);
  trace::Writer writer(out, header, options);
  trace::Batch batch;
  while (reader.next(batch)) {
    writer.thread(batch.thread);
    if (batch.event != nullptr)
      writer.event(*batch.event);
    else
      replay_blocks(batch, writer);
  }
  writer.finish();
}

}  // namespace
}  // namespace mmusim

int main(int argc, char** argv) {
  try {
    if (argc != 5 && argc != 6)
      throw std::invalid_argument("usage: as_isa IN OUT ISA PAGE [CHUNK]");
    mmusim::trace::WriterOptions options;
    if (argc == 6) options.chunk_bytes = std::stoul(argv[5]);
    mmusim::rewrite(argv[1], argv[2], argv[3], static_cast<unsigned>(std::stoul(argv[4])), options);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "as_isa: %s\n", error.what());
    return 1;
  }
}
