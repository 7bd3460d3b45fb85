// A page table of which only the structure has to be written: four functions, the first three of
// which make a translation work. All else of the interface follows from them, correctly if not in
// the fastest way; each may be overridden when its time comes. For courses and first tries.
//
// The structure is made of *tables* in simulated memory, made by new_table(), which takes down what
// each serves. A table of level 0 holds entries: of the pages it serves one after the other, 8
// bytes each, from its first word on. What tables of higher levels hold is the author's. Leaves are
// base pages. From what is taken down come cursors, fork, mremap, trim(), the accounts, pictures,
// and the destructor.
//
// What it costs is told to the sink as it is: an operation pays a look-up for each table of entries
// it goes through, as whoever knows no shorter way.
//
//   bool begin() override;                     // an empty table
//   find_word(va, path) const override;        // where the page's entry is
//   make_word(va) override;                    // the same, making what lacks
//   bool unlink(const Table&) override;        // takes an empty table out
//
// Errors are values, as in page_table.h. Not thread-safe.
#ifndef MMUSIM_PT_SIMPLE_TABLE_H_
#define MMUSIM_PT_SIMPLE_TABLE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "pt/page_table.h"
#include "pt/plugin_entry.h"
#include "pt/table_allocator.h"

namespace mmusim::pt {

class SimpleTable : public PageTable {
 public:
  // What is taken down of a table.
  struct Table {
    PhysAddr address{};   // new_table() fills it in
    uint64_t bytes = 0;   // a multiple of 8 below the page, else a power of two
    unsigned level = 0;   // 0: entries of pages
    VirtAddr base{};      // the addresses it serves: 2^covers bytes from there, aligned
    unsigned covers = 0;  // at most 64
    PhysAddr parent{};    // the table it hangs in, and in which slot of 8 bytes; of the root its
    uint32_t slot = 0;    // own address, which new_table() fills in where level and covers are
                          // those of the first table
  };
  // Which addresses there are at all; hidden by an author's own where not all 64 bits have a place.
  static bool can_map(const Environment& /*machine*/, VirtAddr /*va*/) { return true; }
  using CanMap = bool (*)(const Environment&, VirtAddr);

  SimpleTable(const Environment& machine, MmId mm, CanMap which);
  ~SimpleTable() override;

  // --- To be written.
  // Makes what an empty table has: the first new_table() is the root. False: no memory.
  virtual bool begin() = 0;
  // The address of the word that holds the entry of the page at `va`, and each word read to find
  // it, the entry's own too, added to `path`. Nothing: there is none. Reads by word().
  [[nodiscard]] virtual std::optional<PhysAddr> find_word(VirtAddr va, WalkPath& path) const = 0;
  // The same, making tables where they lack. Nothing: no memory; tables made on the way may stay,
  // as trim() finds them. Reads by load() and writes by store(), which tell the machine.
  virtual std::optional<PhysAddr> make_word(VirtAddr va) = 0;
  // A table that holds nothing, not the root, goes: clears (store()) what leads to it. It is freed
  // afterwards. False, the default: this structure never gives tables back.
  virtual bool unlink(const Table& table);
  // What the hardware's root register holds besides the root's address.
  [[nodiscard]] virtual uint64_t root_register() const { return 0; }

  // --- What follows (page_table.h).
  [[nodiscard]] Lookup walk(VirtAddr va, WalkPath& path) const override;
  [[nodiscard]] WordText describe(const WalkStep& step, VirtAddr va) const override;
  Slot ensure(VirtAddr va, PageShift size) override;
  Status install(const Handle& handle, Entry expected, Entry next) override;
  Status clear(const Handle& handle, Entry& old) override;
  Status split(const Handle& handle, PageShift to) override;
  [[nodiscard]] std::unique_ptr<Cursor> cursor(VirtRange range, CursorMode mode) override;
  Status copy_ranges(PageTable& to, std::span<const VirtRange> ranges,
                     const RunCopier& copy) override;
  Status move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) override;
  void trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) override;
  [[nodiscard]] RootToken root() const override;
  [[nodiscard]] Stats stats() const override;
  [[nodiscard]] uint64_t table_bytes() const override;
  void visit_tables(const TableVisitor& visit) const override;
  [[nodiscard]] Capabilities capabilities() const override;

 protected:
  // Zeroed memory for a table, taken down as it says. Nothing: no memory.
  std::optional<PhysAddr> new_table(Table table);
  // What hung in no table, or in another, hangs there now; one that hangs in itself is the root.
  void hang(PhysAddr address, PhysAddr parent, uint32_t slot);
  [[nodiscard]] PhysAddr root_address() const { return root_; }

  // A word as it is, telling nobody: for find_word(), which names it in the path.
  [[nodiscard]] uint64_t word(PhysAddr address) const;
  // ... by the kernel, told to the machine. `level`: of the table it is in.
  [[nodiscard]] uint64_t load(PhysAddr address, unsigned level) const;
  void store(PhysAddr address, uint64_t value, unsigned level);
  [[nodiscard]] const Environment& machine() const { return machine_; }
  [[nodiscard]] PageShift page() const { return machine_.page; }

 private:
  class TablesCursor;
  [[nodiscard]] Handle handle(VirtAddr va, PhysAddr word) const;
  // Of the slots of a table of entries those that serve [first, last].
  [[nodiscard]] Run run_of(const Table& table, uint64_t first, uint64_t last) const;
  // The first table of entries that serves an address from there on; null: none.
  [[nodiscard]] const Table* entries_from(uint64_t va) const;
  [[nodiscard]] uint32_t leaves(const Table& table) const;
  [[nodiscard]] bool is_empty(const Table& table) const;
  [[nodiscard]] std::vector<const Table*> from_the_leaves_up() const;

  const Environment machine_;
  MmId mm_;
  CanMap can_map_;
  PhysAddr root_{};
  std::map<uint64_t, Table> tables_;       // by address
  std::map<uint64_t, uint64_t> entries_;   // those of level 0: the first page served, the address
  std::map<uint64_t, uint32_t> children_;  // by address: tables that hang in it
  uint64_t generation_ = 0;                // of handles: goes up when a table goes
};

// One per simulated machine.
template <class Mine>
class SimpleFactory final : public Factory {
 public:
  explicit SimpleFactory(const Environment& machine) : machine_(machine) {}
  std::unique_ptr<PageTable> create(MmId mm) override {
    auto made = std::make_unique<Mine>(machine_, mm, &Mine::can_map);
    return made->begin() ? std::move(made) : nullptr;
  }
  [[nodiscard]] const RadixGeometry* hardware_walkable() const override { return nullptr; }
  [[nodiscard]] bool can_map(VirtAddr va) const override { return Mine::can_map(machine_, va); }

 private:
  Environment machine_;
};

// A backend without keys.
template <class Mine>
Backend simple_backend(const char* name, const char* summary) {
  return {
      name, summary, [](config::Schema& /*keys*/) {},
      [](const config::Config& /*keys*/, const Environment& machine) -> std::unique_ptr<Factory> {
        return std::make_unique<SimpleFactory<Mine>>(machine);
      }};
}

}  // namespace mmusim::pt

// At the end of a plug-in's source: MMUSIM_SIMPLE_PAGE_TABLE(MyTable, "mine", "a line about it")
#define MMUSIM_SIMPLE_PAGE_TABLE(Class, name, summary)       \
  static mmusim::pt::Backend simple_backend_of_this_file() { \
    return mmusim::pt::simple_backend<Class>(name, summary); \
  }                                                          \
  MMUSIM_PAGE_TABLE_PLUGIN(simple_backend_of_this_file)

#endif  // MMUSIM_PT_SIMPLE_TABLE_H_
