// Addresses outside of the region are the same within; those in it are taken to the region's
// beginning. The map keeps order, so that ranges, and the limits of trim(), go over as they are,
// but for what a cursor hands out and a lookup says, which come back.
#include "pt/scaled_region.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"

namespace mmusim::pt {

namespace {

class Map {
 public:
  explicit Map(const ScaledRegion& region) : region_(region) {}

  [[nodiscard]] bool has(VirtAddr va) const { return region_.has(va); }
  [[nodiscard]] PageShift leaf() const { return region_.leaf; }
  [[nodiscard]] PageShift page() const { return region_.page; }
  [[nodiscard]] const VirtRange& range() const { return region_.range; }

  [[nodiscard]] VirtAddr in(VirtAddr va) const {
    return has(va) ? region_.range.begin + ((va - region_.range.begin) >> region_.shift()) : va;
  }
  // The end of something: what has its last byte is all of it.
  [[nodiscard]] VirtAddr in_end(VirtAddr end) const {
    if (!has(end)) return end;
    const uint64_t bytes = end - region_.range.begin + region_.leaf.offset_mask();
    return region_.range.begin + (bytes >> region_.leaf.log2() << region_.page.log2());
  }
  [[nodiscard]] VirtRange in(const VirtRange& range) const {
    const VirtAddr begin = align_down(in(range.begin), region_.page);
    // The region's own end is where what is within ends.
    const VirtAddr end =
        range.end == region_.range.end && has(range.begin) ? inner_end() : in_end(range.end);
    return {begin, align_up(end, region_.page)};
  }
  // Where the region's addresses end within.
  [[nodiscard]] VirtAddr inner_end() const {
    return region_.range.begin + (region_.range.bytes() >> region_.shift());
  }
  [[nodiscard]] bool is_scaled(VirtAddr within) const {
    return region_.range.begin <= within && within < inner_end();
  }
  [[nodiscard]] VirtAddr out(VirtAddr within) const {
    return region_.range.begin + ((within - region_.range.begin) << region_.shift());
  }

  [[nodiscard]] Handle in(Handle handle) const {
    if (!has(handle.base)) return handle;
    handle.base = in(handle.base);
    handle.size = region_.page;
    return handle;
  }
  void out(Handle& handle) const {
    handle.base = out(handle.base);
    handle.size = region_.leaf;
  }
  void out(Run& run) const {
    run.start = out(run.start);
    run.size = region_.leaf;
  }
  // Of an address in the region, or not.
  void out(Lookup& found, bool scaled) const {
    if (!scaled) {
      // What is empty within need not be so beyond the border.
      if (found.entry != kNone) return;
      if (found.empty.begin < region_.range.begin)
        found.empty.end = std::min(found.empty.end, region_.range.begin);
      else
        found.empty.begin = std::max(found.empty.begin, region_.range.end);
      return;
    }
    if (found.has_slot || found.entry != kNone) out(found.handle);
    if (found.entry != kNone) {
      found.base = out(found.base);
      found.size = region_.leaf;
      return;
    }
    const VirtAddr begin = std::max(found.empty.begin, region_.range.begin);
    const VirtAddr end = std::min(found.empty.end, inner_end());
    found.empty = {out(begin), out(end)};
  }

 private:
  ScaledRegion region_;
};

// What of a range lies before the region, in it, and behind it.
class ScaledCursor final : public Cursor {
 public:
  ScaledCursor(PageTable& table, const Map& map, const VirtRange& range, CursorMode mode)
      : table_(table), map_(map), mode_(mode) {
    add({range.begin, std::min(range.end, map.range().begin)}, false);
    add({std::max(range.begin, map.range().begin), std::min(range.end, map.range().end)}, true);
    add({std::max(range.begin, map.range().end), range.end}, false);
    open();
  }

  bool next(Run& run) override {
    for (; at_ < parts_.size(); ++at_, open()) {
      if (within_->next(run)) {
        if (parts_[at_].scaled) map_.out(run);
        return true;
      }
      status_ = within_->status();
      if (status_ != Status::Ok) return false;
    }
    return false;
  }
  [[nodiscard]] Status status() const override { return status_; }
  void seek(VirtAddr va) override {
    status_ = Status::Ok;
    for (at_ = 0; at_ < parts_.size(); ++at_)
      if (va < parts_[at_].range.end) break;
    open();
    if (within_ != nullptr && parts_[at_].range.contains(va)) within_->seek(map_.in(va));
  }

 private:
  struct Part {
    VirtRange range;
    bool scaled;
  };
  void add(const VirtRange& range, bool scaled) {
    if (range.begin < range.end) parts_.push_back({range, scaled});
  }
  void open() {
    within_.reset();
    if (at_ < parts_.size()) within_ = table_.cursor(map_.in(parts_[at_].range), mode_);
  }

  PageTable& table_;
  const Map& map_;
  CursorMode mode_;
  std::vector<Part> parts_;
  size_t at_ = 0;
  std::unique_ptr<Cursor> within_;
  Status status_ = Status::Ok;
};

class ScaledTable final : public PageTable {
 public:
  ScaledTable(std::unique_ptr<PageTable> within, const Map& map, mem::ReferenceSink& sink)
      : PageTable(sink), within_(std::move(within)), map_(map) {}

  [[nodiscard]] Lookup walk(VirtAddr va, WalkPath& path) const override {
    return out(within_->walk(map_.in(va), path), va);
  }
  [[nodiscard]] Lookup find(VirtAddr va, mem::Origin origin) override {
    return out(within_->find(map_.in(va), origin), va);
  }
  [[nodiscard]] Lookup peek(VirtAddr va) const override {
    return out(within_->peek(map_.in(va)), va);
  }
  [[nodiscard]] WordText describe(const WalkStep& step, VirtAddr va) const override {
    return within_->describe(step, map_.in(va));
  }

  Slot ensure(VirtAddr va, PageShift size) override { return ensure_in({va, va + 1}, va, size); }
  Slot ensure_in(const VirtRange& area, VirtAddr va, PageShift size) override {
    if (!map_.has(va)) return within_->ensure_in(area, va, size);
    if (size != map_.leaf()) return {.status = Status::NotSupported, .handle = {}};
    Slot slot = within_->ensure(map_.in(va), map_.page());
    if (slot.status == Status::Ok || slot.status == Status::Overlap) map_.out(slot.handle);
    return slot;
  }
  Status install(const Handle& handle, Entry expected, Entry next) override {
    return within_->install(map_.in(handle), expected, next);
  }
  Status clear(const Handle& handle, Entry& old) override {
    return within_->clear(map_.in(handle), old);
  }
  Status split(const Handle& handle, PageShift to) override {
    return map_.has(handle.base) ? Status::BadSize : within_->split(handle, to);
  }
  [[nodiscard]] SplitReserve split_reserve(PageShift from, PageShift to) const override {
    return within_->split_reserve(from, to);
  }
  Status promote(VirtAddr va, PageShift to, Gather& gather) override {
    return map_.has(va) ? Status::NotSupported : within_->promote(va, to, gather);
  }

  [[nodiscard]] std::unique_ptr<Cursor> cursor(VirtRange range, CursorMode mode) override {
    if (range.end <= map_.range().begin || map_.range().end <= range.begin)
      return within_->cursor(range, mode);
    return std::make_unique<ScaledCursor>(*within_, map_, range, mode);
  }
  Status copy_ranges(PageTable& to, std::span<const VirtRange> ranges,
                     const RunCopier& copy) override {
    std::vector<VirtRange> inner;
    inner.reserve(ranges.size());
    for (const VirtRange& range : ranges) {
      MMUSIM_ASSERT(map_.has(range.begin) == map_.has(range.end - 1));
      inner.push_back(map_.in(range));
    }
    return within_->copy_ranges(*static_cast<ScaledTable&>(to).within_, inner,
                                [&](size_t range, Run& from, Run& twin) {
                                  if (map_.has(ranges[range].begin)) {
                                    map_.out(from);
                                    map_.out(twin);
                                  }
                                  return copy(range, from, twin);
                                });
  }
  Status move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) override {
    if (!map_.has(from) && !map_.has(to)) return within_->move_range(from, to, bytes, done);
    done = 0;
    if (!map_.has(from) || !map_.has(to)) return Status::NotSupported;
    const unsigned shift = map_.leaf().log2() - map_.page().log2();
    const Status status = within_->move_range(map_.in(from), map_.in(to), bytes >> shift, done);
    done <<= shift;
    return status;
  }
  void trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) override {
    Gather inner;
    within_->trim(map_.in(range), map_.in(floor), map_.in_end(ceiling), inner);
    if (!inner.freed_tables()) return;
    // Where the tables were: one page of what is flushed anyway.
    const VirtRange touched = inner.range();
    const VirtRange where =
        map_.is_scaled(touched.begin)
            ? VirtRange{map_.out(touched.begin), map_.out(touched.begin) + map_.leaf().bytes()}
            : touched;
    const PageShift size = map_.is_scaled(touched.begin) ? map_.leaf() : inner.smallest();
    for (const RemovedTable& table : inner.tables())
      gather.table(where, size, table);
    if (inner.tables().empty()) gather.unlinked(where, size);
  }

  Status share(VirtAddr at, PageTable& source, VirtAddr from, PageShift size,
               Rights mask) override {
    if (map_.has(at) || map_.has(from)) return Status::NotSupported;
    return within_->share(at, *static_cast<ScaledTable&>(source).within_, from, size, mask);
  }
  Status unshare(VirtAddr va, const RunCopier& copy) override {
    return map_.has(va) ? Status::Ok : within_->unshare(va, copy);
  }
  Status leave(VirtAddr va, Gather& gather) override {
    return map_.has(va) ? Status::NotSupported : within_->leave(va, gather);
  }
  [[nodiscard]] std::vector<Sharer> sharers(VirtAddr va) const override {
    return map_.has(va) ? std::vector<Sharer>() : within_->sharers(va);
  }

  [[nodiscard]] RootToken root() const override { return within_->root(); }
  [[nodiscard]] Stats stats() const override { return within_->stats(); }
  [[nodiscard]] uint64_t table_bytes() const override { return within_->table_bytes(); }
  void visit_tables(const TableVisitor& visit) const override {
    within_->visit_tables([&](const TableNode& node) {
      TableNode shown = node;
      if (map_.is_scaled(node.base) && node.covers < 64 &&
          node.base + (uint64_t{1} << node.covers) <= map_.inner_end()) {
        shown.base = map_.out(node.base);
        shown.covers += map_.leaf().log2() - map_.page().log2();
      }
      visit(shown);
    });
  }
  [[nodiscard]] Capabilities capabilities() const override { return within_->capabilities(); }

 private:
  [[nodiscard]] Lookup out(Lookup found, VirtAddr va) const {
    map_.out(found, map_.has(va));
    return found;
  }

  std::unique_ptr<PageTable> within_;
  const Map& map_;
};

class ScaledFactory final : public Factory {
 public:
  ScaledFactory(std::unique_ptr<Factory> within, const ScaledRegion& region,
                mem::ReferenceSink& sink)
      : within_(std::move(within)), map_(region), sink_(&sink) {}

  [[nodiscard]] std::unique_ptr<PageTable> create(MmId mm) override {
    auto table = within_->create(mm);
    if (table == nullptr) return nullptr;
    return std::make_unique<ScaledTable>(std::move(table), map_, *sink_);
  }
  [[nodiscard]] const RadixGeometry* hardware_walkable() const override {
    return within_->hardware_walkable();
  }
  [[nodiscard]] bool can_map(VirtAddr va) const override { return within_->can_map(map_.in(va)); }
  [[nodiscard]] uint64_t common_bytes() const override { return within_->common_bytes(); }
  [[nodiscard]] std::optional<Restructuring> restructuring() const override {
    return within_->restructuring();
  }

 private:
  std::unique_ptr<Factory> within_;
  Map map_;
  mem::ReferenceSink* sink_;
};

}  // namespace

std::unique_ptr<Factory> with_scaled_region(std::unique_ptr<Factory> within,
                                            const ScaledRegion& region, mem::ReferenceSink& sink) {
  return std::make_unique<ScaledFactory>(std::move(within), region, sink);
}

}  // namespace mmusim::pt
