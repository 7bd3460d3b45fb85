// Cases of ranges: cursors, fork, mremap, trimming.
#include "pt/conformance/case.h"

namespace mmusim::pt::conformance {

void Case::EmptyRanges() {
  const auto table = machine_.factory->create(MmId(1));
  const auto child = machine_.factory->create(MmId(2));
  map(*table, VirtAddr(0), page_leaf(1));
  const VirtRange empty{VirtAddr(0), VirtAddr(0)};
  Run run;
  CHECK_FALSE(table->cursor(empty)->next(run));
  CHECK_EQ(copy_range(*table, *child, empty, [](Run&, Run&) { return false; }), Status::Ok);
  Gather gather;
  table->trim(empty, VirtAddr(0), VirtAddr(0), gather);
  CHECK_FALSE(gather.needs_flush());
  uint64_t done = 7;
  CHECK_EQ(table->move_range(VirtAddr(0), VirtAddr(span()), 0, done), Status::Ok);
  CHECK_EQ(done, 0u);
}

// exec shifts the stack down by less than its size.
void Case::OverlappingMoveDown() {
  const auto table = machine_.factory->create(MmId(1));
  const uint64_t page = machine_.page.bytes();
  const uint64_t pages = 2 * (span() / page) + 3;
  const VirtAddr from(4 * span() - page);
  for (uint64_t i = 0; i < pages; ++i)
    map(*table, from + i * page, page_leaf(1 + i));
  const VirtAddr to = from - 3 * page;
  uint64_t done = 0;
  CHECK_EQ(table->move_range(from, to, pages * page, done), Status::Ok);
  for (uint64_t i = 0; i < pages; ++i)
    CHECK_EQ(table->find(to + i * page).entry, page_leaf(1 + i));
  CHECK_EQ(table->stats().leaves, pages);
}

// A leaf across either end of the range is handed out whole, once.
void Case::CursorMeetsStraddlingLeavesOnce() {
  const auto table = machine_.factory->create(MmId(1));
  const auto sizes = table->capabilities().leaf_sizes;
  if (sizes.size() < 2) return;
  const uint64_t bytes = sizes[1].bytes();
  const uint64_t frames = bytes >> machine_.page.log2();
  for (const uint64_t i : {2u, 3u, 4u})
    map(*table, VirtAddr(i * bytes), leaf(i * frames, sizes[1]), sizes[1]);
  const uint64_t page = machine_.page.bytes();
  const auto cursor = table->cursor({VirtAddr(2 * bytes + page), VirtAddr(4 * bytes + page)});
  std::vector<uint64_t> bases;
  each_run(*cursor, [&](Run& run) {
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) != kNone) bases.push_back(run.address(i).value() / bytes);
    return true;
  });
  CHECK_EQ(bases, (std::vector<uint64_t>{2, 3, 4}));
}

void Case::CursorsResume() {
  const auto table = machine_.factory->create(MmId(1));
  const uint64_t page = machine_.page.bytes();
  for (uint64_t i = 0; i < 6; ++i)
    map(*table, VirtAddr(i * span() / 2), page_leaf(10 + i));
  const auto cursor = table->cursor(machine_.everything());
  Run run;
  CHECK_TRUE(cursor->next(run));
  CHECK_EQ(run.start.value() <= 0, true);
  // Something comes and something goes ahead of it.
  map(*table, VirtAddr(5 * span()), page_leaf(99));
  Entry old = kNone;
  CHECK_EQ(table->clear(table->find(VirtAddr(4 * span() / 2)).handle, old), Status::Ok);
  cursor->seek(VirtAddr(page));
  std::vector<uint64_t> seen;
  each_run(*cursor, [&](Run& r) {
    for (uint32_t i = 0; i < r.count; ++i)
      if (r.get(i) != kNone && r.address(i).value() >= page) seen.push_back(r.address(i).value());
    return true;
  });
  const std::vector<uint64_t> expected{span() / 2, span(), 3 * span() / 2, 5 * span() / 2,
                                       5 * span()};
  CHECK_EQ(seen.size(), expected.size());
  for (size_t i = 0; i < seen.size(); ++i)
    CHECK_EQ(seen[i], expected[i]);
}

void Case::ClearingUnderACursor() {
  const auto table = machine_.factory->create(MmId(1));
  const uint64_t pages = 3 * span() / machine_.page.bytes();
  const uint64_t step = pages > 64 ? pages / 64 : 1;
  uint64_t mapped = 0;
  for (uint64_t i = 0; i < pages; i += step, ++mapped)
    map(*table, VirtAddr(i << machine_.page.log2()), page_leaf(1 + i));
  uint64_t cleared = 0;
  {
    const auto cursor = table->cursor(machine_.everything(), CursorMode::Zap);
    each_run(*cursor, [&](Run& run) {
      for (uint32_t i = 0; i < run.count; ++i)
        if (run.get(i) != kNone) {
          run.set(i, kNone);
          ++cleared;
        }
      return true;
    });
  }
  CHECK_EQ(cleared, mapped);
  CHECK_EQ(table->stats().leaves, uint64_t{0});
  expect_clean(*table);
}

void Case::ForkThenUnmapInEitherOrder() {
  for (const bool parent_first : {true, false}) {
    auto parent = machine_.factory->create(MmId(1));
    auto child = machine_.factory->create(MmId(2));
    uint64_t pfn = 1;
    for (const VirtAddr va : scattered())
      map(*parent, va, page_leaf(++pfn));
    CHECK_EQ(copy_range(*parent, *child, machine_.everything(),
                        [](Run& from, Run& to) {
                          for (uint32_t i = 0; i < from.count; ++i)
                            to.set(i, from.get(i));
                          return true;
                        }),
             Status::Ok);
    std::unique_ptr<PageTable>& first = parent_first ? parent : child;
    std::unique_ptr<PageTable>& second = parent_first ? child : parent;
    for (const VirtAddr va : scattered()) {
      Entry old = kNone;
      CHECK_EQ(first->clear(handle_at(*first, va), old), Status::Ok);
      CHECK_EQ(second->find(va).entry, old);
    }
    expect_clean(*first);
    first.reset();
    CHECK_EQ(second->stats().leaves, uint64_t{scattered().size()});
    for (const VirtAddr va : scattered()) {
      Entry old = kNone;
      CHECK_EQ(second->clear(handle_at(*second, va), old), Status::Ok);
    }
    expect_clean(*second);
    second.reset();
    CHECK_EQ(machine_.allocator.bytes_in_use(), uint64_t{0});
  }
}

void Case::TrimKeepsToItsLimits() {
  const auto table = machine_.factory->create(MmId(1));
  const uint64_t page = machine_.page.bytes();
  const VirtAddr va(span());
  const VirtRange range{va + page, va + 2 * page};
  const auto slot = [&] { return table->find(va).has_slot; };
  map(*table, va, page_leaf(5));
  map(*table, va + page, page_leaf(6));
  Entry old = kNone;
  for (const VirtAddr at : {va, va + page})
    CHECK_EQ(table->clear(handle_at(*table, at), old), Status::Ok);
  const uint64_t before = table->table_bytes();
  // Mappings that begin or end in the middle of what the leaf table serves may need it.
  const bool stays = slot();  // a backend may dismantle what becomes empty at once
  for (const auto& [floor, ceiling] :
       {std::pair(va + page, VirtAddr(0)), std::pair(va + page, va + 2 * page)}) {
    Gather gather;
    table->trim(range, floor, ceiling, gather);
    CHECK_TRUE(!gather.freed_tables() || gather.needs_flush());
    gather.release_tables();
    CHECK_TRUE(table->table_bytes() <= before);
    CHECK_EQ(slot(), stays);
  }
  // With nobody near, all must go.
  Gather gather;
  table->trim({va, va + 2 * page}, VirtAddr(0), VirtAddr(0), gather);
  gather.release_tables();
  CHECK_EQ(table->table_bytes(), uint64_t{0});
}

}  // namespace mmusim::pt::conformance
