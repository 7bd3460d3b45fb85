// Cases in which memory runs out.
#include "pt/conformance/case.h"

namespace mmusim::pt::conformance {

void Case::NoMemoryForTheRoot() {
  machine_.allocator.fail_after(1);
  const auto table = machine_.factory->create(MmId(1));
  // A backend whose root takes no table memory has nothing to fail.
  CHECK_TRUE(table == nullptr || table->stats().root_bytes == 0);
}

// With memory failing at the first, second, ... allocation: nothing is mapped, nothing leaks, and
// it works once there is memory.
void Case::EnsureWithoutMemory() {
  for (const VirtAddr va : scattered()) {
    for (uint64_t n = 1;; n += 1 + n / 8) {  // there may be thousands
      const auto table = machine_.factory->create(MmId(1));
      machine_.allocator.fail_after(n);
      const Slot slot = table->ensure(va, machine_.page);
      machine_.allocator.fail_after(0);
      if (slot.status == Status::Ok) break;
      CHECK_EQ(slot.status, Status::NoMemory);
      CHECK_EQ(table->find(va).entry, kNone);
      CHECK_EQ(table->stats().leaves, 0u);
      const Slot again = table->ensure(va, machine_.page);
      CHECK_EQ(again.status, Status::Ok);
      CHECK_EQ(again.entry, kNone);
      expect_clean(*table);
    }
  }
  CHECK_EQ(machine_.allocator.bytes_in_use(), 0u);
}

void Case::CopyWithoutMemory() {
  const auto table = machine_.factory->create(MmId(1));
  uint64_t pfn = 10;
  for (const VirtAddr va : scattered())
    map(*table, va, page_leaf(++pfn));
  const uint64_t before = machine_.allocator.bytes_in_use();
  for (uint64_t n = 1;; n += 1 + n / 8) {  // there may be thousands
    const auto child = machine_.factory->create(MmId(2));
    std::set<uint64_t> copied;
    machine_.allocator.fail_after(n);
    const Status status =
        copy_range(*table, *child, machine_.everything(), [&](Run& from, Run& to) {
          for (uint32_t i = 0; i < from.count; ++i) {
            if (from.get(i) == kNone) continue;
            to.set(i, from.get(i));
            copied.insert(from.address(i).value());
          }
          return true;
        });
    machine_.allocator.fail_after(0);
    for (const VirtAddr va : scattered())
      CHECK_EQ(child->find(va).entry,
               copied.count(va.value()) != 0 ? table->find(va).entry : kNone);
    CHECK_EQ(child->stats().leaves, copied.size());
    if (status == Status::Ok) {
      CHECK_EQ(copied.size(), scattered().size());
      break;
    }
    CHECK_EQ(status, Status::NoMemory);
    CHECK_LT(copied.size(), scattered().size());
  }
  CHECK_EQ(machine_.allocator.bytes_in_use(), before);
}

void Case::MoveWithoutMemory() {
  const uint64_t page = machine_.page.bytes();
  struct Move {
    uint64_t from, to, pages;
  };
  const uint64_t table = span() / page;
  const std::vector<Move> moves = {
      // Not aligned to each other, so that it cannot be done by moving tables.
      {2 * table - 2, 6 * table - 3, 4},
      // Aligned: a whole table, with some pages before and behind.
      {table - 2, 5 * table - 2, table + 4},
  };
  for (const Move& move : moves) {
    const VirtAddr from(move.from * page);
    const VirtAddr to(move.to * page);
    if (to + move.pages * page > machine_.spaces[0].end) continue;
    for (uint64_t n = 1;; n += 1 + n / 8) {  // there may be thousands
      const auto table_made = machine_.factory->create(MmId(1));
      PageTable& pages = *table_made;
      for (uint64_t i = 0; i < move.pages; ++i)
        map(pages, from + i * page, page_leaf(100 + i));
      machine_.allocator.fail_after(n);
      uint64_t done = 0;
      const Status status = pages.move_range(from, to, move.pages * page, done);
      machine_.allocator.fail_after(0);
      for (uint64_t i = 0; i < move.pages; ++i) {
        const bool moved = i * page < done;
        CHECK_EQ(pages.find(from + i * page).entry, moved ? kNone : page_leaf(100 + i));
        CHECK_EQ(pages.find(to + i * page).entry, moved ? page_leaf(100 + i) : kNone);
      }
      CHECK_EQ(pages.stats().leaves, move.pages);
      if (status == Status::Ok) {
        CHECK_EQ(done, move.pages * page);
        break;
      }
      CHECK_EQ(status, Status::NoMemory);
      // And back, as the kernel does after a failure: while there is still no memory.
      uint64_t undone = 0;
      machine_.allocator.fail_after(1);
      CHECK_EQ(pages.move_range(to, from, done, undone), Status::Ok);
      machine_.allocator.fail_after(0);
      for (uint64_t i = 0; i < move.pages; ++i)
        CHECK_EQ(pages.find(from + i * page).entry, page_leaf(100 + i));
    }
  }
}

void Case::SplitWithoutMemory() {
  const auto sizes = machine_.factory->create(MmId(1))->capabilities().leaf_sizes;
  if (sizes.size() < 2) return;
  const PageShift large = sizes[1];
  const uint64_t parts = large.bytes() >> machine_.page.log2();
  const VirtAddr va(3 * large.bytes());
  for (uint64_t n = 1;; n += 1 + n / 8) {  // a split may take thousands
    const auto table = machine_.factory->create(MmId(1));
    map(*table, va, leaf(8 * parts, large), large);
    const uint64_t before = machine_.allocator.bytes_in_use();
    machine_.allocator.fail_after(n);
    const Status status = table->split(handle_at(*table, va), machine_.page);
    machine_.allocator.fail_after(0);
    if (status == Status::Ok) {
      CHECK_EQ(table->stats().leaves, parts);
      CHECK_EQ(table->find(va + (parts - 1) * machine_.page.bytes()).entry,
               page_leaf(8 * parts + parts - 1));
      break;
    }
    CHECK_EQ(status, Status::NoMemory);
    CHECK_EQ(machine_.allocator.bytes_in_use(), before);
    CHECK_EQ(table->find(va).entry, leaf(8 * parts, large));
    CHECK_EQ(table->stats().leaves, 1u);
  }
}

// Memory is used up but for what split_reserve() asked for.
void Case::SplitReserveSuffices() {
  const auto table = machine_.factory->create(MmId(1));
  const auto sizes = table->capabilities().leaf_sizes;
  if (sizes.size() < 2 || sizes[1].log2() > machine_.page.log2() + 12) return;
  const PageShift large = sizes[1];
  const uint64_t parts = large.bytes() >> machine_.page.log2();
  const VirtAddr va(3 * large.bytes());
  map(*table, va, leaf(8 * parts, large), large);
  TableAllocator& allocator = machine_.allocator;
  const SplitReserve reserve = table->split_reserve(large, machine_.page);
  std::vector<std::pair<PhysAddr, uint64_t>> taken;
  for (const TableBlocks& blocks : reserve) {
    for (uint64_t i = 0; i < blocks.count; ++i) {
      const auto block = allocator.allocate(blocks.bytes, MmId(1));
      CHECK_TRUE(block.has_value());
      taken.emplace_back(*block, blocks.bytes);
    }
  }
  // All other frames are somebody else's, and then all pieces of those that tables have.
  std::vector<std::pair<Pfn, unsigned>> frames;
  for (unsigned order = mem::FrameMemory::kMaxOrder + 1; order-- > 0;)
    while (const auto first = machine_.memory.allocate(order, mem::FrameUse::Anonymous, 1))
      frames.emplace_back(*first, order);
  std::vector<std::pair<PhysAddr, uint64_t>> pieces;
  for (const TableAllocator::Use& use : allocator.uses())
    while (const auto piece = allocator.allocate(use.bytes, MmId(1)))
      pieces.emplace_back(*piece, use.bytes);
  for (const auto& [address, bytes] : taken)
    allocator.free(address, bytes);
  const Status status = table->split(handle_at(*table, va), machine_.page);
  for (const auto& [address, bytes] : pieces)
    allocator.free(address, bytes);
  for (const auto& [first, order] : frames)
    machine_.memory.free(first, order);
  CHECK_EQ(status, Status::Ok);
  for (uint64_t i = 0; i < parts; ++i)
    CHECK_EQ(table->find(va + (i << machine_.page.log2())).entry, page_leaf(8 * parts + i));
}

}  // namespace mmusim::pt::conformance
