// A page table beside the one under test, which passes everything on and looks at how it is done.
//
// Each call is noted in the machine's journal. Each walk()'s steps are words of simulated memory,
// one of which holds the entry found. As closely as the machine's scrutiny says, operations are
// looked at with the tables' memory under watch: what walk() reads is what it names, and what
// operations read and write in tables is reported to the sink.
//
// Errors: everything throws Broken. Not thread-safe.
#ifndef MMUSIM_PT_CONFORMANCE_WITNESS_H_
#define MMUSIM_PT_CONFORMANCE_WITNESS_H_

#include <memory>
#include <vector>

#include "pt/conformance/machine.h"
#include "pt/page_table.h"

namespace mmusim::pt::conformance {

class Witness final : public PageTable {
 public:
  // The machine must outlive it.
  Witness(Machine& machine, std::unique_ptr<PageTable> table);

  Lookup walk(VirtAddr va, WalkPath& path) const override;
  Lookup find(VirtAddr va, mem::Origin origin) override;
  Lookup peek(VirtAddr va) const override;
  WordText describe(const WalkStep& step, VirtAddr va) const override;
  Slot ensure(VirtAddr va, PageShift size) override;
  Slot ensure_in(const VirtRange& area, VirtAddr va, PageShift size) override;
  Status install(const Handle& handle, Entry expected, Entry next) override;
  Status clear(const Handle& handle, Entry& old) override;
  Status split(const Handle& handle, PageShift to) override;
  SplitReserve split_reserve(PageShift from, PageShift to) const override;
  Status promote(VirtAddr va, PageShift to, Gather& gather) override;

  std::unique_ptr<Cursor> cursor(VirtRange range, CursorMode mode) override;
  Status copy_ranges(PageTable& to, std::span<const VirtRange> ranges,
                     const RunCopier& copy) override;
  Status move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) override;
  void trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) override;

  Status share(VirtAddr at, PageTable& source, VirtAddr from, PageShift size, Rights mask) override;
  Status unshare(VirtAddr va, const RunCopier& copy) override;
  Status leave(VirtAddr va, Gather& gather) override;
  std::vector<Sharer> sharers(VirtAddr va) const override;

  RootToken root() const override { return table_->root(); }
  Stats stats() const override;
  uint64_t table_bytes() const override { return table_->table_bytes(); }
  void visit_tables(const TableVisitor& visit) const override;
  Capabilities capabilities() const override { return table_->capabilities(); }

 private:
  template <class... Values>
  void note(const char* name, Values... values) const {
    if (machine_.journal != nullptr) machine_.journal->note(name, values...);
  }
  // Whether this operation is one of those looked at.
  [[nodiscard]] bool due() const;
  template <class Operation>
  auto inspected(const char* name, bool reads, Operation operation);

  Machine& machine_;
  std::unique_ptr<PageTable> table_;
  mutable uint64_t operations_ = 0;
};

// Makes witnesses of another factory's tables. Both must outlive them.
class WitnessFactory final : public Factory {
 public:
  WitnessFactory(Machine& machine, Factory& factory) : machine_(machine), factory_(factory) {}
  std::unique_ptr<PageTable> create(MmId mm) override;
  const RadixGeometry* hardware_walkable() const override { return factory_.hardware_walkable(); }
  bool can_map(VirtAddr va) const override { return factory_.can_map(va); }
  uint64_t common_bytes() const override { return factory_.common_bytes(); }

 private:
  Machine& machine_;
  Factory& factory_;
};

// From here on the machine's factory makes witnesses, if its scrutiny asks for any. Once for each
// machine, before it makes its first table.
void put_under_witness(Machine& machine);

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_WITNESS_H_
