// A prepared trace again, with the page streams of one chunk forged: forge_pages IN OUT CHUNK WAY.
// Checksums, totals and digests agree with what is forged. For forged_pages.sh.
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>
#include <zstd.h>

#include "trace/bytes.h"
#include "trace/compressor.h"
#include "trace/page_stream.h"
#include "trace/reader.h"
#include "trace/stored_chunk.h"

namespace mmusim::trace {
namespace {

enum RunNumber : uint8_t { Instructions, Loads, Stores, Modifies, ForSets, ForAny, RunNumbers };
constexpr uint8_t kNext = 64;  // of the returns: the next that is kept for sets

// The page streams of a chunk, taken apart as the format's README has them.
struct Pages {
  std::vector<std::array<uint64_t, RunNumbers>> runs;
  std::vector<PageRef> refs;
  std::vector<uint32_t> numbers;
  std::vector<uint8_t> returns;
  PageDigests digests;
};

std::vector<uint8_t> decompressed(std::span<const uint8_t>& payload, const StreamSizes& sizes) {
  std::vector<uint8_t> raw(sizes.raw);
  const size_t got = ZSTD_decompress(raw.data(), raw.size(), payload.data(), sizes.compressed);
  if (got != raw.size()) throw std::runtime_error("a chunk has not all page streams");
  payload = payload.subspan(sizes.compressed);
  return raw;
}

Pages take_apart(const StoredChunk& chunk) {
  Pages pages;
  pages.digests = chunk.header.digests;
  std::span<const uint8_t> payload = chunk.payload.subspan(chunk.header.columns_bytes());
  const auto runs = decompressed(payload, chunk.header.page_streams[0]);
  const auto refs = decompressed(payload, chunk.header.page_streams[1]);
  pages.returns = decompressed(payload, chunk.header.page_streams[2]);
  for (ByteReader in(runs, chunk.place, "runs"); !in.at_end();)
    for (uint64_t& number : pages.runs.emplace_back())
      number = in.varint();
  ByteReader in(refs, chunk.place, "pages");
  const uint64_t count = in.varint();
  uint64_t page = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint8_t what = in.byte();
    page += static_cast<uint64_t>(in.signed_varint());
    pages.refs.emplace_back(VirtAddr(page * kBlockPage.bytes()), static_cast<AccessKind>(what & 3),
                            (what & 4) != 0);
  }
  while (!in.at_end())
    pages.numbers.push_back(block_number_bytes(count) == 2 ? in.fixed<uint16_t>()
                                                           : in.fixed<uint32_t>());
  return pages;
}

// What is left out is whatever is not kept.
void agree(Pages& pages) {
  uint64_t for_sets = 0;
  for (const uint32_t number : pages.numbers)
    for_sets += digest_of(pages.refs[number]);
  uint64_t for_any = 0;
  std::array<std::array<VirtAddr, kPageSets>, 2> last{};
  size_t next = 0;
  for (const uint8_t what : pages.returns) {
    PageRef ref;
    if (what == kNext) {
      ref = pages.refs[pages.numbers[next++]];
      last[ref.is_data() ? 1 : 0][ref.number() % kPageSets] = ref.page();
    } else {
      const auto kind = static_cast<AccessKind>(what / kPageSets);
      ref = PageRef(last[kind == AccessKind::Fetch ? 0 : 1][what % kPageSets], kind, false);
    }
    for_any += digest_of(ref);
  }
  pages.digests.left_out = pages.digests.all - for_sets;
  pages.digests.left_out_last = pages.digests.all - for_any;
}

void put_together(const Pages& pages, ChunkHeader& header, ByteBuffer& payload) {
  ByteBuffer runs;
  for (const auto& run : pages.runs)
    for (const uint64_t number : run)
      runs.varint(number);
  ByteBuffer refs;
  refs.varint(pages.refs.size());
  uint64_t page = 0;
  for (const PageRef ref : pages.refs) {
    refs.byte(static_cast<uint8_t>(ref.word() & 7));
    refs.signed_varint(static_cast<int64_t>(ref.number() - page));
    page = ref.number();
  }
  for (const uint32_t number : pages.numbers)
    refs.append(&number, block_number_bytes(pages.refs.size()));
  const Compressor compressor;
  header.page_streams = {compressor.append(runs.bytes(), PageStream::Runs, 1, payload),
                         compressor.append(refs.bytes(), PageStream::Pages, 1, payload),
                         compressor.append({pages.returns.data(), pages.returns.size()},
                                           PageStream::Returns, 1, payload)};
  header.digests = pages.digests;
}

// One of the references kept for sets, in the midst of the chunk: where it is in each stream.
struct At {
  size_t run = 0;
  size_t number = 0;
  size_t back = 0;
};
template <class Wanted>
At find(const Pages& pages, Wanted wanted) {
  At at;
  uint64_t run_end = pages.runs.at(0)[ForSets];
  for (; at.back < pages.returns.size(); ++at.back) {
    while (at.number == run_end)
      run_end += pages.runs[++at.run][ForSets];
    if (pages.returns[at.back] != kNext) continue;
    if (at.number >= pages.numbers.size() / 2 && pages.runs[at.run][ForSets] > 2 &&
        wanted(pages.refs[pages.numbers[at.number]]))
      return at;
    ++at.number;
  }
  throw std::runtime_error("the chunk has nothing of the kind");
}

template <class Vector>
auto there(Vector& vector, size_t i) {
  return vector.begin() + static_cast<std::ptrdiff_t>(i);
}

using Way = void (*)(Pages&);
bool any(PageRef /*ref*/) {
  return true;
}
// Used by one reference only, the page of another number.
void set_ref(Pages& pages, const At& at, PageRef ref) {
  pages.numbers[at.number] = static_cast<uint32_t>(pages.refs.size());
  pages.refs.push_back(ref);
}
const std::map<std::string, Way> kWays = {
    {"nothing", [](Pages&) {}},
    {"left-out",
     [](Pages& pages) {
       const At at = find(pages, any);
       pages.numbers.erase(there(pages.numbers, at.number));
       pages.returns.erase(there(pages.returns, at.back));
       --pages.runs[at.run][ForSets];
       --pages.runs[at.run][ForAny];
     }},
    {"one-more",
     [](Pages& pages) {
       const At at = find(pages, any);
       pages.numbers.insert(there(pages.numbers, at.number), pages.numbers[at.number]);
       pages.returns.insert(there(pages.returns, at.back), kNext);
       ++pages.runs[at.run][ForSets];
       ++pages.runs[at.run][ForAny];
     }},
    {"other-page",
     [](Pages& pages) {
       const At at = find(pages, [](PageRef ref) { return ref.is_data() && !ref.crosses(); });
       const PageRef ref = pages.refs[pages.numbers[at.number]];
       set_ref(pages, at, {ref.page() + kPageSets * kBlockPage.bytes(), ref.kind(), ref.crosses()});
     }},
    {"no-store",
     [](Pages& pages) {
       const At at = find(pages, [](PageRef ref) { return ref.kind() == AccessKind::Store; });
       const PageRef ref = pages.refs[pages.numbers[at.number]];
       set_ref(pages, at, {ref.page(), AccessKind::Load, ref.crosses()});
     }},
    {"in-one-page",
     [](Pages& pages) {
       const At at = find(pages, [](PageRef ref) { return ref.crosses(); });
       const PageRef ref = pages.refs[pages.numbers[at.number]];
       set_ref(pages, at, {ref.page(), ref.kind(), false});
     }},
    {"other-order",
     [](Pages& pages) {
       const At at = find(pages, any);
       std::swap(pages.numbers[at.number], pages.numbers[at.number - 1]);
     }},
    {"not-returned",
     [](Pages& pages) {
       const At at = find(pages, any);
       size_t run_begin = 0;  // of its returns
       for (size_t i = 0; i < at.run; ++i)
         run_begin += pages.runs[i][ForAny];
       for (size_t i = 0; i < pages.runs[at.run][ForAny]; ++i) {
         if (pages.returns[run_begin + i] == kNext) continue;
         pages.returns.erase(there(pages.returns, run_begin + i));
         --pages.runs[at.run][ForAny];
         return;
       }
       throw std::runtime_error("nothing is returned in that run");
     }},
    {"other-totals",
     [](Pages& pages) {
       const At at = find(pages, any);
       auto& other = pages.runs.at(at.run == 0 ? 1 : at.run - 1);
       for (const RunNumber which : {Instructions, Loads}) {
         ++other[which];
         --pages.runs[at.run][which];
       }
     }},
    {"other-digests", [](Pages& pages) { ++pages.digests.all; }},
};

void forge(const std::string& in, const std::string& out, size_t which, Way way) {
  Reader reader(in);
  ByteBuffer file;
  encode_header(file, reader.header());
  const uint64_t header_hash = hash_bytes(file.bytes());
  std::vector<IndexEntry> index;
  for (StoredChunk chunk; reader.next_stored(chunk);) {
    ChunkHeader header = chunk.header;
    ByteBuffer payload;
    payload.append(chunk.payload.data(), chunk.header.columns_bytes());
    Pages pages = take_apart(chunk);
    if (index.size() == which) {
      way(pages);
      agree(pages);
    }
    put_together(pages, header, payload);
    index.push_back({.offset = file.size(),
                     .bytes = ChunkHeader::kBytes + payload.size(),
                     .raw_bytes = header.raw_bytes(),
                     .totals = header.totals,
                     .raw_hash = header.raw_hash});
    encode_chunk_header(file, header);
    file.append(payload.data(), payload.size());
  }
  if (which >= index.size()) throw std::invalid_argument("there is no such chunk");
  encode_index(file, file.size(), header_hash, index);
  std::ofstream(out, std::ios::binary)
      .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
}

}  // namespace
}  // namespace mmusim::trace

int main(int argc, char** argv) {
  using namespace mmusim::trace;
  try {
    if (argc != 5 || !kWays.contains(argv[4])) {
      std::string ways;
      for (const auto& [name, way] : kWays)
        ways += " " + name;
      throw std::invalid_argument("usage: forge_pages IN OUT CHUNK WAY; ways:" + ways);
    }
    forge(argv[1], argv[2], std::stoul(argv[3]), kWays.at(argv[4]));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "forge_pages: %s\n", error.what());
    return 1;
  }
}
