// Sharing of tables: of leaf tables, or of tables above them with all below.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "pt/mlpt/mlpt.h"

namespace mmusim::pt::mlpt {

Sharing::User Sharing::remove(PhysAddr table, const User& user) {
  const auto found = users_.find(table.value());
  MMUSIM_ASSERT(found != users_.end());
  std::vector<User>& users = found->second;
  const auto one = std::find_if(users.begin(), users.end(), [&](const User& other) {
    return other.table == user.table && other.base == user.base;
  });
  MMUSIM_ASSERT(one != users.end());
  users.erase(one);
  if (users.size() > 1) return {};
  const User last = users.front();
  users_.erase(found);
  return last;
}

// `table` and those below it are in nobody's account from now on, or again in this one's.
void Mlpt::change_account(const Table& table, unsigned level, bool shared) {
  count_table(level, false, !shared);
  count_table(level, true, shared);
  if (level == 0) return;
  for (uint64_t i = 0; i < shape_->level(level).entries; ++i) {
    const Entry e = word(table, i);
    if (e != kNone && !is_leaf(e, level))
      change_account(below(table, e, level - 1), level - 1, shared);
  }
}

// This table no longer uses a shared table of `level`; who is left alone with it has it to itself.
void Mlpt::stop_sharing(PhysAddr table, unsigned level, VirtAddr base) {
  const Sharing::User last = sharing_->remove(table, {this, base});
  if (last.table != nullptr)
    last.table->change_account({.address = table, .words = frames_->words(table)}, level, false);
}

// Whether a table below `table` is shared.
bool Mlpt::shares_below(const Table& table, unsigned level) const {
  if (level == 0) return false;
  for (uint64_t i = 0; i < shape_->level(level).entries; ++i) {
    const Entry e = word(table, i);
    if (e == kNone || is_leaf(e, level)) continue;
    const Table next = below(table, e, level - 1);
    if (next.tree != 0 || shares_below(next, level - 1)) return true;
  }
  return false;
}

// The entry that leads to the shared table which serves `va`, at the level above that table's.
std::optional<Mlpt::Place> Mlpt::shared_at(VirtAddr va) const {
  if (!shape_->maps(va) || sharing_ == nullptr || !sharing_->any()) return std::nullopt;
  Place place{.table = root_, .level = shape_->top()};
  while (place.level > 0) {
    place.index = shape_->index(va, place.level);
    place.entry = read(place.table, place.index, place.level);
    if (place.entry == kNone || is_leaf(place.entry, place.level)) return std::nullopt;
    const Table next = below(place.table, place.entry, place.level - 1);
    if (next.tree != 0) return place;
    place.table = next;
    --place.level;
  }
  return std::nullopt;
}

// The level whose entries are of this size and may lead to a shared table; 0: there is none. The
// four entries of i386's root with PAE are in registers of the processor, so that Linux makes their
// tables with the root and never changes them.
unsigned Mlpt::sharing_level(PageShift size) const {
  for (unsigned level = 1; level <= shape_->top(); ++level)
    if (shape_->size(level) == size)
      return shape_->level(level).entries <= 4 && level == shape_->top() ? 0 : level;
  return 0;
}

Status Mlpt::share(VirtAddr at, PageTable& source, VirtAddr from, PageShift size, Rights mask) {
  auto* other = dynamic_cast<Mlpt*>(&source);
  MMUSIM_ASSERT(other != nullptr && other->shape_ == shape_);
  if (sharing_ == nullptr || mask != Rights::all()) return Status::NotSupported;
  const unsigned level = sharing_level(size);
  if (level == 0) return Status::BadSize;
  if (!is_aligned(at, size) || !is_aligned(from, size)) return Status::BadAlign;
  Table theirs;
  Status status = other->ensure_table(from, level - 1, theirs);
  if (status != Status::Ok) return status;
  const bool known = other->users_of(theirs) != nullptr;
  if (!known && (theirs.tree != 0 || other->shares_below(theirs, level - 1)))
    return Status::NotSupported;
  Table above;
  status = ensure_table(at, level, above);
  if (status != Status::Ok) return status == Status::Overlap ? Status::Occupied : status;
  if (above.tree != 0) return Status::NotSupported;
  const uint64_t index = shape_->index(at, level);
  if (read(above, index, level) != kNone) return Status::Occupied;
  if (!known) {
    sharing_->add(theirs.address, {other, from});
    other->change_account(theirs, level - 1, true);
  }
  sharing_->add(theirs.address, {this, at});
  write(above, index, level, format_->make_table(theirs.address, size));
  return Status::Ok;
}

std::vector<Sharer> Mlpt::sharers(VirtAddr va) const {
  if (!shape_->maps(va) || sharing_ == nullptr || !sharing_->any()) return {};
  Table table = root_;
  for (unsigned level = shape_->top(); level > 0 && table.tree == 0; --level) {
    const Entry e = word(table, shape_->index(va, level));
    if (e == kNone || is_leaf(e, level)) return {};
    table = below(table, e, level - 1);
  }
  if (table.tree == 0) return {};
  std::vector<Sharer> all;
  for (const Sharing::User& user : *users_of(table))
    all.push_back({.mm = user.table->mm_, .base = user.base});
  return all;
}

// Where tables of a copy come from: all there is to be is allocated before anything is copied.
bool Mlpt::reserve_like(const Table& table, unsigned level, Reserve& reserve) {
  const auto address = allocator_->allocate(shape_->level(level).table_bytes, mm_);
  if (!address) return false;
  reserve[level].push_back(*address);
  if (level == 0) return true;
  for (uint64_t i = 0; i < shape_->level(level).entries; ++i) {
    const Entry e = word(table, i);
    if (e == kNone || is_leaf(e, level)) continue;
    if (!reserve_like(below(table, e, level - 1), level - 1, reserve)) return false;
  }
  return true;
}

// A copy, table by table, of `table`, which begins at flat address `base`; false once `copy` was.
PhysAddr Mlpt::copy_shared(const Table& table, unsigned level, uint64_t base, Reserve& reserve,
                           const RunCopier& copy, bool& going) {
  const PhysAddr address = reserve[level].back();
  reserve[level].pop_back();
  count_table(level, true, false);
  const Table mine{.address = address, .words = frames_->words(address)};
  const Shape::Level& shape = shape_->level(level);
  for (uint64_t i = 0; i < shape.entries; ++i) {
    const uint64_t begin = base + (i << shape.shift);
    if (level > 0) {
      const Entry e = read(table, i, level);
      if (e == kNone) continue;
      if (!is_leaf(e, level)) {
        const PhysAddr next =
            copy_shared(below(table, e, level - 1), level - 1, begin, reserve, copy, going);
        write(mine, i, level, format_->make_table(next, shape_->size(level)));
        continue;
      }
    }
    const uint64_t count = level > 0 ? 1 : shape.entries;
    const VirtAddr start = shape_->address_of(begin);
    Run from = run_of(table, level, i, count, start);
    Run to = run_of(mine, level, i, count, start);
    going = going && copy(0, from, to);
    i += count - 1;
  }
  return address;
}

Status Mlpt::unshare(VirtAddr va, const RunCopier& copy) {
  const auto place = shared_at(va);
  if (!place) return Status::Ok;
  const unsigned level = place->level - 1;
  const Table theirs = below(place->table, place->entry, level);
  Reserve reserve;
  if (!reserve_like(theirs, level, reserve)) {
    for (unsigned i = 0; i <= level; ++i)
      for (const PhysAddr address : reserve[i])
        allocator_->free(address, shape_->level(i).table_bytes);
    return Status::NoMemory;
  }
  const PageShift size = shape_->size(place->level);
  const VirtAddr base = align_down(va, size);
  bool going = true;
  const PhysAddr mine = copy_shared(theirs, level, shape_->flat_of(base), reserve, copy, going);
  write(place->table, place->index, place->level, format_->make_table(mine, size));
  stop_sharing(theirs.address, level, base);
  ++generation_;
  return going ? Status::Ok : Status::Stopped;
}

// Whoever is alone with a table does not share it, so there is always somebody left with its
// leaves.
Status Mlpt::leave(VirtAddr va, Gather& gather) {
  const auto place = shared_at(va);
  if (!place) return Status::NotSupported;
  const PageShift size = shape_->size(place->level);
  const VirtAddr base = align_down(va, size);
  const Table theirs = below(place->table, place->entry, place->level - 1);
  write(place->table, place->index, place->level, kNone);
  stop_sharing(theirs.address, place->level - 1, base);
  ++generation_;
  gather.leaf(base, page_);
  gather.leaf(base + (size.bytes() - page_.bytes()), page_);
  gather.unlinked({base, base + page_.bytes()}, size);
  return Status::Ok;
}

}  // namespace mmusim::pt::mlpt
