// A page table under test with the oracle beside it: carries out operations on both and compares.
//
// Errors: everything throws Broken when they differ. Not thread-safe.
#ifndef MMUSIM_PT_CONFORMANCE_MODEL_H_
#define MMUSIM_PT_CONFORMANCE_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "pt/conformance/machine.h"
#include "pt/conformance/operation.h"
#include "pt/conformance/oracle.h"
#include "pt/conformance/tables.h"
#include "pt/conformance/verdict.h"

namespace mmusim::pt::conformance {

class Model {
 public:
  // `settings`: INI text of pt.* keys. `journal` may be null.
  Model(const Backend& backend, const Layout& layout, const std::string& settings,
        Journal* journal = nullptr, Scrutiny scrutiny = Scrutiny::Words);

  // For draw(): addresses near which things happen; and how near, as log2 of pages.
  static std::vector<uint64_t> anchors_of(const Layout& layout);
  static unsigned near_of(const Layout& layout);

  void apply(const Operation& operation);
  // The whole table against the oracle and the allocator.
  void verify();
  // Clears all, trims all, destroys: nothing may be left.
  void finish();

  // As a person would write it down.
  [[nodiscard]] std::string describe(const Operation& operation) const;

 private:
  [[nodiscard]] uint64_t address_of(const Spot& spot) const;
  [[nodiscard]] PageShift size_of(const Operation& operation) const;
  [[nodiscard]] VirtRange range_of(const Operation& operation) const;
  [[nodiscard]] Entry entry_for(PageShift size, Random& random) const;

  void map(const Operation& operation);
  void clear(const Operation& operation);
  void sweep(const Operation& operation);
  void build(const Operation& operation);
  void split(const Operation& operation);
  void promote(const Operation& operation);
  void copy(const Operation& operation);
  void trim(const Operation& operation);
  void move(const Operation& operation);
  void share(const Operation& operation);

  // Sharing (model_share.cc): a block, where the table and the other one have it.
  struct Block {
    VirtAddr mine;
    VirtAddr theirs;
    PageShift size;
    Rights mask;  // of the other
    [[nodiscard]] VirtRange own() const { return {mine, mine + size.bytes()}; }
    [[nodiscard]] VirtRange others() const { return {theirs, theirs + size.bytes()}; }
  };
  [[nodiscard]] PageShift block_of(const Operation& operation) const;
  [[nodiscard]] std::string describe_share(const Operation& operation) const;
  [[nodiscard]] Oracle seen_by_other(const Block& block) const;
  void share_block(PageTable& other, const Block& block, Random& random);
  void put_beside(PageTable& actor, VirtRange block, Oracle& leaves, Random& random);
  void part(PageTable& other, const Block& block, Random& random);

  void check_address(uint64_t va);
  void check_account();
  void check_size(const Run& run, const char* promise) const;
  void check_leaves(PageTable& table, const Oracle& oracle, VirtRange range);
  // Afterwards no leaf lies across `va`.
  void cut(uint64_t va);
  void wipe(VirtRange range);
  // What a base page translates to: the leaf of that one page, with the same attributes.
  [[nodiscard]] Entry page_entry(const std::optional<OracleLeaf>& leaf, uint64_t va) const;
  // The oracle takes over how [begin, end) is cut into leaves, after translations were compared.
  void adopt(uint64_t begin, uint64_t end, const char* promise);
  void expect_stale(const Handle& handle, const char* which);
  static void check_flushed(const Gather& gather, VirtRange changed);
  void expect_out_of_memory(Status status, const char* promise, const std::string& what) const;

  Machine machine_;
  std::unique_ptr<PageTable> table_;
  Oracle oracle_;
  bool shared_ = false;    // something once was
  bool may_fail_ = false;  // the allocator has been told to fail soon
  std::vector<PageShift> sizes_;
  std::vector<uint64_t> anchors_;
};

// The last slot a cursor handed out.
struct LastSeen {
  bool any = false;
  uint64_t address = 0;
};

// Goes through what a cursor hands out, and sees that it makes progress and ends. A visitor that
// takes a second argument may forget what was seen last: then it has made the cursor seek.
template <class Visit>
void each_run(Cursor& cursor, Visit visit) {
  constexpr uint64_t kMostRuns = 4'000'000;
  Run run;
  uint64_t runs = 0;
  LastSeen last;
  while (cursor.next(run)) {
    expect(++runs < kMostRuns, promise::kCursorEnds, "an end", "more runs than there are slots");
    expect(run.count > 0, promise::kCursor, "a run of at least one slot", "an empty run");
    expect(
        !last.any || run.start.value() > last.address, promise::kCursor,
        [&] { return fmt::format("a run behind {:#x}", last.address); },
        [&] { return fmt::format("one from {:#x} on", run.start.value()); });
    last = {true, run.address(run.count - 1).value()};
    bool more = false;
    if constexpr (std::invocable<Visit, Run&, LastSeen&>)
      more = visit(run, last);
    else
      more = visit(run);
    if (!more) return;
  }
}

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_MODEL_H_
