// What a trace holds, as count_plugin.cc prints what QEMU executed: trace_counts TRACE. For
// tests/cli/record_counts.sh.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <set>
#include <stdexcept>

#include "trace/reader.h"

namespace mmusim {
namespace {

constexpr uint64_t kPage = 4096;

struct Counts {
  uint64_t instructions = 0;
  uint64_t load_bytes = 0;
  uint64_t store_bytes = 0;
  std::set<uint64_t> code;
  std::set<uint64_t> data;

  void take(const trace::Batch& batch) {
    if (batch.event != nullptr) return;
    const uint64_t* address = batch.addresses;
    for (const uint32_t number : batch.blocks) {
      const trace::StaticBlock& block = batch.table[number];
      instructions += block.instructions;
      add_pages(code, block.start.value(), block.bytes);
      for (unsigned i = 0; i < block.mem_ops; ++i, ++address) {
        const trace::MemOp& op = block.ops[i];
        if (op.kind != AccessKind::Store) load_bytes += op.bytes;
        if (op.kind != AccessKind::Load) store_bytes += op.bytes;
        add_pages(data, *address, op.bytes);
      }
    }
  }
  void print() const {
    std::printf("instructions %ju\nload_bytes %ju\nstore_bytes %ju\n",
                static_cast<uintmax_t>(instructions), static_cast<uintmax_t>(load_bytes),
                static_cast<uintmax_t>(store_bytes));
    for (const uint64_t page : code)
      std::printf("code %jx\n", static_cast<uintmax_t>(page));
    for (const uint64_t page : data)
      std::printf("data %jx\n", static_cast<uintmax_t>(page));
  }

 private:
  static void add_pages(std::set<uint64_t>& pages, uint64_t address, uint64_t bytes) {
    pages.insert(address / kPage);
    pages.insert((address + bytes - 1) / kPage);
  }
};

}  // namespace
}  // namespace mmusim

int main(int argc, char** argv) {
  try {
    if (argc != 2) throw std::invalid_argument("usage: trace_counts TRACE");
    mmusim::trace::Reader reader(argv[1]);
    mmusim::Counts counts;
    mmusim::trace::Batch batch;
    while (reader.next(batch))
      counts.take(batch);
    counts.print();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "trace_counts: %s\n", error.what());
    return 1;
  }
}
