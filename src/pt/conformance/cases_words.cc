// Cases of the words of tables: which are named, read, written and reported.
#include "pt/conformance/case.h"

namespace mmusim::pt::conformance {

void Case::TablesAreAccountedFor() {
  const auto table = machine_.factory->create(MmId(1));
  Oracle oracle;
  uint64_t pfn = 1;
  for (const VirtAddr va : scattered())
    for (uint64_t i = 0; i < 2; ++i) {
      const VirtAddr at = va + (i << machine_.page.log2());
      map(*table, at, page_leaf(++pfn));
      oracle.set({at.value(), machine_.page.log2(), page_leaf(pfn)});
    }
  const auto sizes = table->capabilities().leaf_sizes;
  if (sizes.size() > 1) {
    const uint64_t parts = sizes[1].bytes() >> machine_.page.log2();
    const VirtAddr at(uint64_t{5} << sizes[1].log2());
    map(*table, at, leaf(8 * parts, sizes[1]), sizes[1]);
    oracle.set({at.value(), sizes[1].log2(), leaf(8 * parts, sizes[1])});
  }
  check_tables(machine_, *table, oracle);
  const Stats stats = table->stats();
  CHECK_EQ(stats.table_bytes, table->table_bytes());
  CHECK_EQ(stats.leaves, uint64_t{oracle.size()});
}

// With the tables' memory under watch.
void Case::WalksNameTheirWords() {
  const auto table = machine_.factory->create(MmId(1));
  uint64_t pfn = 1;
  std::vector<VirtAddr> mapped = scattered();
  for (const VirtAddr va : mapped)
    map(*table, va, page_leaf(++pfn));
  const auto sizes = table->capabilities().leaf_sizes;
  if (sizes.size() > 1) {
    mapped.push_back(VirtAddr(uint64_t{5} << sizes[1].log2()));
    map(*table, mapped.back(), leaf(8 * (sizes[1].bytes() >> machine_.page.log2()), sizes[1]),
        sizes[1]);
  }
  for (const VirtAddr va : mapped)
    for (const VirtAddr at : {va, va + machine_.page.bytes()}) {
      WalkPath path;
      static_cast<void>(table->walk(at, path));
    }
}

// Whoever writes a table's words changes what it says: nothing is remembered elsewhere.
void Case::WordsDecide() {
  const auto table = machine_.factory->create(MmId(1));
  uint64_t pfn = 1;
  for (const VirtAddr va : scattered())
    map(*table, va, page_leaf(++pfn));
  for (const VirtAddr va : scattered()) {
    const Entry before = table->find(va).entry;
    const Entry after = machine_.format.write_protected(before);
    const auto cursor = table->cursor({va, va + machine_.page.bytes()});
    Run run;
    CHECK_TRUE(cursor->next(run));
    CHECK_EQ(run.get(0), before);
    run.set(0, after);
    CHECK_EQ(table->find(va).entry, after);
    CHECK_EQ(table->peek(va).entry, after);
    run.set(0, kNone);
    CHECK_EQ(table->find(va).entry, kNone);
    run.set(0, before);
    CHECK_EQ(table->peek(va).entry, before);
  }
}

void Case::StepsDepend() {
  const auto table = machine_.factory->create(MmId(1));
  uint64_t pfn = 1;
  const std::vector<VirtAddr> mapped = scattered();
  for (const VirtAddr va : mapped)
    map(*table, va, page_leaf(++pfn));
  // So that frame numbers that are a little off are those of tables as well.
  std::vector<PhysAddr> others;
  for (unsigned i = 0; i < 256; ++i)
    if (const auto page = machine_.allocator.allocate(machine_.page.bytes(), MmId(2)))
      others.push_back(*page);
  check_dependence(machine_, *table, mapped.back());
  for (const PhysAddr page : others)
    machine_.allocator.free(page, machine_.page.bytes());
}

// Every operation, with the tables' memory under watch (Scrutiny::Always does it).
void Case::OperationsReportWords() {
  const auto table = machine_.factory->create(MmId(1));
  const uint64_t page = machine_.page.bytes();
  uint64_t pfn = 1;
  for (const VirtAddr va : scattered())
    for (uint64_t i = 0; i < 3; ++i)
      map(*table, va + i * page, page_leaf(++pfn));
  Entry old = kNone;
  CHECK_EQ(table->clear(handle_at(*table, VirtAddr(page)), old), Status::Ok);
  CHECK_EQ(old, page_leaf(3));
  const auto child = machine_.factory->create(MmId(2));
  CHECK_EQ(copy_range(*table, *child, machine_.everything(),
                      [&](Run& from, Run& to) {
                        for (uint32_t i = 0; i < from.count; ++i)
                          to.set(i, from.get(i));
                        from.report(machine_.sink, mem::Origin::Kernel, from.count, 0);
                        to.report(machine_.sink, mem::Origin::Kernel, 0, to.count);
                        return true;
                      }),
           Status::Ok);
  uint64_t done = 0;
  CHECK_EQ(table->move_range(VirtAddr(0), VirtAddr(5 * span() + page), 3 * page, done), Status::Ok);
  const auto sizes = table->capabilities().leaf_sizes;
  if (sizes.size() > 1) {
    const VirtAddr at(uint64_t{9} << sizes[1].log2());
    map(*table, at, leaf(8 * (sizes[1].bytes() >> machine_.page.log2()), sizes[1]), sizes[1]);
    CHECK_EQ(table->split(handle_at(*table, at), machine_.page), Status::Ok);
    Gather gather;
    const Status status = table->promote(at, sizes[1], gather);
    CHECK_TRUE(status == Status::Ok || status == Status::NotSupported);
    gather.release_tables();
  }
  const auto cursor = table->cursor(machine_.everything(), CursorMode::Zap);
  each_run(*cursor, [](Run& run) {
    for (uint32_t i = 0; i < run.count; ++i)
      run.set(i, kNone);
    return true;
  });
  expect_clean(*table);
}

}  // namespace mmusim::pt::conformance
