// Sharing of leaf tables.
#include <algorithm>

#include "base/error.h"
#include "pt/mlpt/mlpt.h"

namespace mmusim::pt::mlpt {
namespace {

constexpr Rights kAllRights{Rights::kRead | Rights::kWrite | Rights::kExec | Rights::kUser};

}  // namespace

Sharing::User Sharing::remove(PhysAddr leaf_table, const User& user) {
  const auto found = users_.find(leaf_table.value());
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

// This table no longer uses a shared leaf table; who is left alone with it has it to itself.
void Mlpt::stop_sharing(PhysAddr leaf_table, VirtAddr base) {
  const Sharing::User last = sharing_->remove(leaf_table, {this, base});
  if (last.table != nullptr) last.table->count_table(0, true);
}

// The shared leaf table that serves `va`, as a place at level 1.
std::optional<Mlpt::Place> Mlpt::shared_at(VirtAddr va) const {
  if (!shape_->maps(va) || sharing_ == nullptr || sharing_->tables() == 0) return std::nullopt;
  Place place{.table = root_, .level = shape_->top()};
  while (true) {
    place.index = shape_->index(va, place.level);
    place.entry = read(place.table, place.index, place.level);
    if (place.entry == kNone || is_leaf(place.entry, place.level)) return std::nullopt;
    if (place.level == 1) break;
    place.table = table_at(place.entry);
    --place.level;
  }
  if (users_of(table_at(place.entry)) == nullptr) return std::nullopt;
  return place;
}

Status Mlpt::share(VirtAddr at, PageTable& source, VirtAddr from, PageShift size, Rights mask) {
  auto* other = dynamic_cast<Mlpt*>(&source);
  MMUSIM_ASSERT(other != nullptr && other->shape_ == shape_);
  if (sharing_ == nullptr || mask != kAllRights) return Status::NotSupported;
  if (size != shape_->size(1)) return Status::BadSize;
  if (!is_aligned(at, size) || !is_aligned(from, size)) return Status::BadAlign;
  Table theirs;
  Status status = other->ensure_table(from, 0, theirs);
  if (status != Status::Ok) return status;
  Table above;
  status = ensure_table(at, 1, above);
  if (status != Status::Ok) return status == Status::Overlap ? Status::Occupied : status;
  const uint64_t index = shape_->index(at, 1);
  if (read(above, index, 1) != kNone) return Status::Occupied;
  if (other->users_of(theirs) == nullptr) {
    sharing_->add(theirs.address, {other, from});
    other->count_table(0, false);
  }
  sharing_->add(theirs.address, {this, at});
  write(above, index, 1, format_->make_table(theirs.address, size));
  return Status::Ok;
}

Status Mlpt::unshare(VirtAddr va, const RunCopier& copy) {
  const auto place = shared_at(va);
  if (!place) return Status::Ok;
  const auto address = allocator_->allocate(shape_->level(0).table_bytes, mm_);
  if (!address) return Status::NoMemory;
  const VirtAddr base = align_down(va, shape_->size(1));
  const Table mine{.address = *address, .words = frames_->words(*address)};
  Run from = run_of(table_at(place->entry), 0, 0, shape_->level(0).entries, base);
  Run to = run_of(mine, 0, 0, shape_->level(0).entries, base);
  const bool copied = copy(0, from, to);
  write(place->table, place->index, 1, format_->make_table(*address, shape_->size(1)));
  count_table(0, true);
  stop_sharing(table_at(place->entry).address, base);
  ++generation_;
  return copied ? Status::Ok : Status::Stopped;
}

// Whoever is alone with a table does not share it, so there is always somebody left with its
// leaves.
Status Mlpt::leave(VirtAddr va, Gather& gather) {
  const auto place = shared_at(va);
  if (!place) return Status::NotSupported;
  const VirtAddr base = align_down(va, shape_->size(1));
  write(place->table, place->index, 1, kNone);
  stop_sharing(table_at(place->entry).address, base);
  ++generation_;
  gather.leaf(base, page_);
  gather.leaf(base + (shape_->size(1).bytes() - page_.bytes()), page_);
  gather.unlinked({base, base + page_.bytes()}, shape_->size(1));
  return Status::Ok;
}

}  // namespace mmusim::pt::mlpt
