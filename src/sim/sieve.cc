#include "sim/sieve.h"

namespace mmusim::sim {

std::span<const Kept> Sieve::sift(const trace::Batch& batch) {
  constexpr uint64_t kNoPage = ~uint64_t{0};
  constexpr unsigned kLog2 = trace::kBlockPage.log2();
  constexpr uint64_t kOffset = trace::kBlockPage.offset_mask();
  // At most everything is kept; what is there beyond `to` is of earlier batches.
  const size_t most = batch.blocks.size() + batch.totals.data_accesses();
  if (kept_.size() < most) kept_.resize(most);
  Kept* to = kept_.data();
  uint64_t fetched = kNoPage;
  uint64_t data = kNoPage;
  uint8_t seen = kSeenNothing;
  uint32_t first = 0;
  for (uint32_t i = 0; i < batch.blocks.size(); ++i) {
    const trace::StaticBlock& block = batch.table[batch.blocks[i]];
    const uint64_t* const addresses = batch.addresses + first;
    if (block.crosses_page) [[unlikely]] {
      fetched = data = kNoPage;
      seen = kSeenNothing;
      *to++ = {.va = block.start,
               .block = i,
               .first = first,
               .op = 0,
               .what = Kept::What::WholeBlock,
               .crosses = true,
               .data = kSeenNothing};
      first += block.mem_ops;
      continue;
    }
    if (const uint64_t page = block.start.value() >> kLog2; page != fetched) {
      fetched = page;
      *to++ = {.va = block.start,
               .block = i,
               .first = first,
               .op = 0,
               .what = Kept::What::Fetch,
               .crosses = false,
               .data = static_cast<Seen>(seen)};
    }
    for (unsigned op = 0; op < block.mem_ops; ++op) {
      const uint64_t va = addresses[op];
      const uint64_t page = va >> kLog2;
      const uint8_t kind = seen_by(block.ops[op].kind);
      const bool crosses = (va & kOffset) + block.ops[op].bytes > kOffset + 1;
      if (page == data && (seen & kind) != 0 && !crosses) [[likely]]
        continue;
      seen = page == data ? seen | kind : kind;
      data = page;
      if (crosses) [[unlikely]] {
        data = kNoPage;
        seen = kSeenNothing;
      }
      *to++ = {.va = VirtAddr(va),
               .block = i,
               .first = first,
               .op = static_cast<uint8_t>(op),
               .what = kind == kSeenLoad ? Kept::What::Load : Kept::What::Store,
               .crosses = crosses,
               .data = static_cast<Seen>(seen)};
    }
    first += block.mem_ops;
  }
  return {kept_.data(), static_cast<size_t>(to - kept_.data())};
}

}  // namespace mmusim::sim
