// A page table one can hold in the head: a sorted list of leaf tables, searched by halving.
//
//   directory   the root: records of two words in ascending order of the first, which is the first
//               address a leaf table serves; the second is where that leaf table is. It has room
//               for 2^pt.sorted.bits; how many there are is in a register beside its address
//   leaf table  a page of 8-byte entries, as the architecture writes them; with 4 KiB pages it
//               serves 2 MiB of address space, aligned
//
// All of it lies in simulated memory. A look-up among n leaf tables reads at most log2(n) + 1 first
// addresses, the address of a leaf table and an entry. Leaf tables never move, so a handle is the
// address of its entry; it goes stale when trim() takes leaf tables away. Any address of 64 bits
// has a place, so that it does not matter where an architecture's regions and holes are. Not there:
// leaves larger than a page, promotion, sharing; and when the directory is full, that is NoMemory.
#include <algorithm>
#include <functional>

#include "base/bits.h"
#include "config/keys.h"
#include "pt/plugin_entry.h"
#include "pt/table_allocator.h"

namespace {

using namespace mmusim;
using namespace mmusim::pt;

constexpr uint64_t kMost = ~uint64_t{0};
constexpr uint64_t kWord = sizeof(uint64_t);
enum Level : uint8_t { kLeafLevel, kDirectoryLevel };

struct Record {  // as it lies in simulated memory
  uint64_t base;
  PhysAddr table;
};

// The end of a block; in a 64-bit space the very end cannot be written.
VirtAddr end_of(uint64_t base, PageShift size) {
  return VirtAddr(std::min(base + size.offset_mask(), kMost - 1) + 1);
}

struct Shape {  // what the tables of a machine have in common
  Environment environment;
  uint64_t records = 0;  // room in a directory; a power of two

  [[nodiscard]] PageShift page() const { return environment.page; }
  [[nodiscard]] uint64_t slots() const { return page().bytes() / kWord; }  // of a leaf table
  [[nodiscard]] PageShift span() const { return PageShift(page().log2() + log2_floor(slots())); }
};

class SortedTable final : public PageTable {
 public:
  // `shape` must outlive the table; `root` is a directory, the table's from now on.
  SortedTable(const Shape& shape, MmId mm, PhysAddr root)
      : PageTable(*shape.environment.sink),
        shape_(shape),
        allocator_(*shape.environment.allocator),
        mm_(mm),
        root_(root) {}
  ~SortedTable() override {
    for (uint64_t i = 0; i < count_; ++i)
      allocator_.free(record(i).table, shape_.page().bytes());
    allocator_.free(root_, shape_.records * sizeof(Record));
  }

  // --- One address
  Lookup walk(VirtAddr va, WalkPath& path) const override {
    Lookup found;
    const Place place = search(va.value(), path);
    found.size = place.there ? shape_.page() : shape_.span();
    found.base = align_down(va, found.size);
    found.empty = {found.base, end_of(found.base.value(), found.size)};
    if (!place.there) return found;
    const PhysAddr word = word_of(place.record, va.value());
    // Hardware may remember leaf tables, and spare itself the search.
    const PhysAddr leaf_table = word - (word.value() & shape_.page().offset_mask());
    path.add({word, leaf_table, static_cast<uint8_t>(shape_.span().log2()), kWord, kLeafLevel});
    found.has_slot = true;
    found.handle = handle(va, word);
    found.entry = entry(word);
    return found;
  }

  // For `mmusim explain`.
  WordText describe(const WalkStep& step, VirtAddr va) const override {
    if (step.level == kLeafLevel)
      return {"PTE", shape_.environment.format->describe(entry(step.address), shape_.page())};
    const uint64_t offset = step.address - root_;
    if (offset % sizeof(Record) != 0) return {"record", "its leaf table"};
    const bool below = record(offset / sizeof(Record)).base <= va.value();
    return {"record", below ? "begins at or below the address" : "begins above the address"};
  }

  Slot ensure(VirtAddr va, PageShift size) override {
    if (size != shape_.page()) return {Status::BadSize, {}};
    const auto record = make(va.value());
    if (!record) return {Status::NoMemory, {}};
    const PhysAddr word = word_of(*record, va.value());
    touch(word, 1, kLeafLevel, false);
    return {Status::Ok, handle(va, word), entry(word)};
  }

  Status install(const Handle& handle, Entry expected, Entry next) override {
    if (handle.generation != generation_) return Status::Moved;
    const PhysAddr word(handle.place);
    touch(word, 1, kLeafLevel, false);
    if (entry(word) != expected) return Status::Changed;
    touch(word, 1, kLeafLevel, true);
    entry(word) = next;
    return Status::Ok;
  }

  Status clear(const Handle& handle, Entry& old) override {
    if (handle.generation != generation_) return Status::Moved;
    old = entry(PhysAddr(handle.place));
    return install(handle, old, kNone);
  }

  Status split(const Handle& handle, PageShift /*to*/) override {
    return handle.generation != generation_ ? Status::Moved : Status::BadSize;
  }

  // --- Ranges
  std::unique_ptr<Cursor> cursor(VirtRange range, CursorMode mode) override {
    return std::make_unique<SortedCursor>(*this, range, mode);
  }

  Status copy_ranges(PageTable& to, std::span<const VirtRange> ranges,
                     const RunCopier& copy) override {
    auto& other = dynamic_cast<SortedTable&>(to);
    Run source;
    for (size_t i = 0; i < ranges.size(); ++i) {
      SortedCursor cursor(*this, ranges[i], CursorMode::Read);
      while (cursor.next(source)) {
        const auto twin = other.make(source.start.value());
        if (!twin) return Status::NoMemory;
        const uint64_t last = source.address(source.count - 1).value();
        Run target = other.run_of(*twin, source.start.value(), last);
        if (!copy(i, source, target)) return Status::Stopped;
      }
    }
    return Status::Ok;
  }

  // Entry by entry. What that leaves empty stands until trim(), so the way back needs no memory.
  Status move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) override {
    SortedCursor cursor(*this, {from, from + bytes}, CursorMode::Read);
    Run run;
    while (cursor.next(run)) {
      run.report(sink(), mem::Origin::Kernel, run.count, 0);
      for (uint32_t i = 0; i < run.count; ++i) {
        const Entry e = run.get(i);
        if (e == kNone) continue;
        done = run.address(i) - from;
        const Slot slot = ensure(to + done, shape_.page());
        if (slot.status != Status::Ok) return slot.status;
        static_cast<void>(install(slot.handle, kNone, e));
        run.set(i, kNone);
        run.part(i, 1).report(sink(), mem::Origin::Kernel, 0, 1);
      }
    }
    done = bytes;
    return Status::Ok;
  }

  void trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) override {
    uint64_t i = range.empty() ? count_ : locate(range.begin.value()).record;
    uint64_t kept = i;  // records before this one stay, and so do those moved there
    for (; i < count_ && (kept < i || record(i).base < range.end.value()); ++i) {
      const Record r = record(i);
      touch(address(i), 2, kDirectoryLevel, false);
      const uint64_t last = r.base + shape_.span().offset_mask();
      // Ceiling 0 is no limit, and 0 - 1 the highest address.
      const bool in_gap = r.base >= floor.value() && last <= ceiling.value() - 1;
      if (r.base < range.end.value() && in_gap && leaves(i) == 0) {
        gather.table({VirtAddr(r.base), VirtAddr(r.base) + shape_.page().bytes()}, shape_.span(),
                     {&allocator_, r.table, shape_.page().bytes()});
      } else if (kept++ < i) {
        record(kept - 1) = r;
        touch(address(kept - 1), 2, kDirectoryLevel, true);
      }
    }
    if (kept == i) return;
    count_ = kept;  // the loop went on to the end
    ++generation_;
  }

  // --- The whole
  RootToken root() const override { return {.address = root_, .extra = count_}; }
  uint64_t table_bytes() const override { return count_ * shape_.page().bytes(); }
  Stats stats() const override {
    Stats stats;
    stats.table_bytes = table_bytes();
    stats.root_bytes = shape_.records * sizeof(Record);
    stats.tables = {count_, 1};
    for (uint64_t i = 0; i < count_; ++i)
      stats.leaves += leaves(i);
    return stats;
  }
  void visit_tables(const TableVisitor& visit) const override {
    TableNode node;
    node.address = node.parent = root_;
    node.bytes = shape_.records * sizeof(Record);
    node.level = kDirectoryLevel;
    node.covers = 64;
    node.slots = static_cast<uint32_t>(shape_.records);
    node.tables = static_cast<uint32_t>(count_);
    visit(node);
    for (uint64_t i = 0; i < count_; ++i)
      visit({.address = record(i).table,
             .bytes = shape_.page().bytes(),
             .level = kLeafLevel,
             .base = VirtAddr(record(i).base),
             .covers = shape_.span().log2(),
             .slots = static_cast<uint32_t>(shape_.slots()),
             .leaves = static_cast<uint32_t>(leaves(i)),
             .parent = root_,
             .slot = static_cast<uint32_t>(i),
             .link = {}});
  }
  Capabilities capabilities() const override { return {{shape_.page()}, shape_.span()}; }

 private:
  // Where a search ended: at the record that serves the address, or where it would have to be.
  struct Place {
    uint64_t record = 0;
    bool there = false;
  };

  // The words, touching nothing.
  [[nodiscard]] PhysAddr address(uint64_t i) const { return root_ + i * sizeof(Record); }
  [[nodiscard]] Record& record(uint64_t i) const {
    return *reinterpret_cast<Record*>(allocator_.frames().words(address(i)));
  }
  [[nodiscard]] Entry& entry(PhysAddr word) const { return *allocator_.frames().words(word); }
  [[nodiscard]] PhysAddr word_of(uint64_t i, uint64_t va) const {
    return record(i).table + ((va & shape_.span().offset_mask()) >> shape_.page().log2()) * kWord;
  }
  [[nodiscard]] Handle handle(VirtAddr va, PhysAddr word) const {
    return {align_down(va, shape_.page()), shape_.page(), word.value(), generation_};
  }
  [[nodiscard]] uint64_t leaves(uint64_t i) const {
    const Entry* const words = &entry(record(i).table);
    return shape_.slots() - static_cast<uint64_t>(std::count(words, words + shape_.slots(), kNone));
  }

  // What the kernel reads and writes is told to the machine.
  void touch(PhysAddr word, uint64_t count, Level level, bool write) const {
    sink().reference_run(word, kWord, count, write, {.level = level, .dependent = !write});
  }

  Place search(uint64_t va, WalkPath& path) const {
    uint64_t low = 0;  // of the records, those before it begin at or below `va`
    for (uint64_t high = count_; low < high;) {
      const uint64_t middle = low + (high - low) / 2;
      path.add(address(middle), kWord, kDirectoryLevel, false);
      const bool below = record(middle).base <= va;
      low = below ? middle + 1 : low;
      high = below ? high : middle;
    }
    if (low == 0 || va - record(low - 1).base > shape_.span().offset_mask()) return {low};
    path.add(address(low - 1) + kWord, kWord, kDirectoryLevel, true);
    return {low - 1, true};
  }
  [[nodiscard]] Place locate(uint64_t va) const {  // the same, by the kernel
    WalkPath path;
    const Place place = search(va, path);
    path.report(sink(), mem::Origin::Kernel);
    return place;
  }

  // The record of the leaf table that serves `va`, made if need be. Nothing: no memory, or no room.
  std::optional<uint64_t> make(uint64_t va) {
    const Place place = locate(va);
    if (place.there) return place.record;
    const bool room = count_ < shape_.records;
    const auto table = room ? allocator_.allocate(shape_.page().bytes(), mm_) : std::nullopt;
    if (!table) return std::nullopt;
    touch(address(place.record), 2 * (count_ - place.record), kDirectoryLevel, false);
    for (uint64_t i = count_++; i > place.record; --i)  // what lies behind it makes room
      record(i) = record(i - 1);
    record(place.record) = {va & ~shape_.span().offset_mask(), *table};
    touch(address(place.record), 2 * (count_ - place.record), kDirectoryLevel, true);
    return place.record;
  }

  // The slots of a leaf table that serve [first, last].
  [[nodiscard]] Run run_of(uint64_t i, uint64_t first, uint64_t last) const {
    first = std::max(first, record(i).base);
    last = std::min(last, record(i).base + shape_.span().offset_mask());
    Run run;
    run.size = shape_.page();
    run.start = align_down(VirtAddr(first), run.size);
    run.count = static_cast<uint32_t>(((last - run.start.value()) >> run.size.log2()) + 1);
    const PhysAddr word = word_of(i, first);
    run.place({.words = &entry(word), .address = word, .level = kLeafLevel});
    return run;
  }

  class SortedCursor final : public Cursor {
   public:
    SortedCursor(SortedTable& table, VirtRange range, CursorMode mode)
        : table_(table),
          position_(range.begin.value()),
          end_(range.end.value()),
          build_(mode == CursorMode::Build) {}
    void seek(VirtAddr va) override { position_ = va.value(); }
    bool next(Run& run) override {
      if (position_ >= end_) return false;
      const auto record = build_ ? table_.make(position_) : table_.locate(position_).record;
      if (!record) status_ = Status::NoMemory;
      if (!record || record == table_.count_ || table_.record(*record).base >= end_) return false;
      run = table_.run_of(*record, position_, end_ - 1);
      position_ = end_of(table_.record(*record).base, table_.shape_.span()).value();
      return true;
    }
    [[nodiscard]] Status status() const override { return status_; }

   private:
    SortedTable& table_;
    uint64_t position_;
    uint64_t end_;
    bool build_;
    Status status_ = Status::Ok;
  };

  const Shape& shape_;
  TableAllocator& allocator_;
  MmId mm_;
  PhysAddr root_;
  uint64_t count_ = 0;       // records
  uint64_t generation_ = 0;  // of handles: goes up when words may have gone
};

// --- How mmusim gets at it
class SortedFactory final : public Factory {
 public:
  explicit SortedFactory(const Shape& shape) : shape_(shape) {}
  std::unique_ptr<PageTable> create(MmId mm) override {
    const auto root = shape_.environment.allocator->allocate(shape_.records * sizeof(Record), mm);
    return root ? std::make_unique<SortedTable>(shape_, mm, *root) : nullptr;
  }
  [[nodiscard]] const RadixGeometry* hardware_walkable() const override { return nullptr; }

 private:
  Shape shape_;
};

const config::Keys<unsigned> kBits = config::Keys<unsigned>(12).number(
    "pt.sorted.bits", std::identity(), "Log2 of the most leaf tables of an address space.", 4, 18);

std::unique_ptr<Factory> make(const config::Config& config, const Environment& environment) {
  return std::make_unique<SortedFactory>(
      Shape{.environment = environment, .records = uint64_t{1} << kBits.read(config)});
}

Backend backend() {
  return {"sorted", "sorted list of leaf tables, searched by halving",
          [](config::Schema& schema) { kBits.declare(schema); }, make};
}

}  // namespace

MMUSIM_PAGE_TABLE_PLUGIN(backend)
