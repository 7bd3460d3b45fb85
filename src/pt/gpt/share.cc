// Shared sub-trees: joining, leaving, and telling who is in. (Copying: unshare.cc.)
#include <algorithm>

#include "base/error.h"
#include "pt/gpt/gpt.h"
#include "pt/gpt/shared_root.h"

namespace mmusim::pt::gpt {

uint64_t Gpt::owner_at(const Place& place) const {
  return place.shared ? kNested | place.within.value() : tables_.mm().value();
}

namespace {

// The base a user record has: whole for an address space, an offset for an enclosing sub-tree.
uint64_t record_base(Tables& tables, const Place& place, uint64_t key) {
  return place.shared ? SharedRoot(tables, place.within).offset_of(key) : key;
}

}  // namespace

// Brings the trie into such a form that the last entry of the path is all there is in the block of
// the key's first `end` bits: Invalid, or with a guard that reaches to the block at least.
Status Gpt::isolate(uint64_t key, unsigned end, Path& path) {
  path.push(root_);
  while (true) {
    const Place& place = path.back();
    GuardedEntry e = tables_.read(place);
    if (e.is(Kind::Invalid)) return Status::Ok;
    const uint64_t rest = behind(key, place.consumed);
    const unsigned left = end - place.consumed;
    const unsigned limit = std::min(e.guard_length(), left);
    const unsigned common = std::min(e.common_with(rest), limit);
    if (common < limit) {
      if (!cut(path, common)) return Status::NoMemory;
      continue;
    }
    const unsigned before = place.consumed + e.guard_length();
    if (e.is(Kind::Leaf)) {
      if (before - e.replicas_log2() >= end) return Status::Ok;
      if (!e.is_empty_leaf()) return Status::Overlap;
      remove_leaf(path);  // an empty one makes room
      continue;
    }
    if (e.guard_length() >= left) return Status::Ok;
    if (e.is(Kind::Shared)) {
      path.push(tables_.shared_root_of(place, e, key));
    } else if (end >= before + e.width()) {
      path.push(tables_.slot_of(place, e, key));
    } else {
      MMUSIM_ASSERT(rules_->policy.adaptive());
      if (!resizer_.fold(e, place, end - before)) return Status::NoMemory;
      replace(path, path.size() - 1, e);
    }
  }
}

void Gpt::change_account(const GuardedEntry& e, bool shared) {
  if (!e.is(Kind::Internal)) return;
  tables_.change_account(e.width(), shared);
  const Table table = tables_.below(e);
  for (uint64_t i = 0; i < e.slots(); ++i)
    change_account(table.get(i), shared);
}

// Shared sub-trees below `e` hang in something else from now on. Their records said so with bases
// that began as `place` says.
void Gpt::change_owner(const GuardedEntry& e, const Place& place, uint64_t from, uint64_t to) {
  const uint64_t key = place.base | e.guard() >> place.consumed;
  if (e.is(Kind::Shared)) {
    const SharedRoot root(tables_, e.address());
    const auto base = [&](Owner owner) {
      return (owner & kNested) == 0
                 ? key
                 : SharedRoot(tables_, PhysAddr(owner & ~kNested)).offset_of(key);
    };
    root.change_user(from, base(from), to, base(to));
  } else if (e.is(Kind::Internal)) {
    const Table table = tables_.below(e);
    const unsigned end = place.consumed + e.guard_length();
    for (uint64_t i = 0; i < e.slots(); ++i) {
      const GuardedEntry child = table.get(i);
      if (child.is(Kind::Shared) || child.is(Kind::Internal))
        change_owner(child, tables_.slot_of(place, e, key | key_of(i, e.width()) >> end), from, to);
    }
  }
}

// The shared root for the block of the key's first `end` bits, made if need be.
Status Gpt::share_from(uint64_t key, unsigned end, PhysAddr& root) {
  Path path;
  const Status status = isolate(key, end, path);
  if (status != Status::Ok) return status;
  const Place& place = path.back();
  const GuardedEntry e = place.load();
  const unsigned left = end - place.consumed;
  if (e.is(Kind::Shared) && e.guard_length() == left) {
    root = e.address();
    return Status::Ok;
  }
  const auto made = SharedRoot::make(tables_, kKeyBits - end);
  if (!made) return Status::NoMemory;
  const auto record = SharedRoot::make_record(tables_);
  if (!record) {
    made->free();
    return Status::NoMemory;
  }
  const Owner owner = owner_at(place);
  made->add_user(*record, owner, record_base(tables_, place, key));
  const GuardedEntry content = e.is(Kind::Invalid) ? e : e.behind_bits(left);
  made->entry(content);
  if (!place.shared) change_account(content, true);
  const GuardedEntry user =
      GuardedEntry::shared(behind(key, place.consumed), left, made->address(), Rights::all());
  change_owner(content, tables_.shared_root_of(place, user, key), owner,
               kNested | made->address().value());
  replace(path, path.size() - 1, user);
  tables_.touch_slots(tables_.at(made->address()), 0, 2, true, place.level());
  tables_.moved(false);
  tables_.moved(true);
  root = made->address();
  return Status::Ok;
}

// Without level compression tables begin where they begin, and cannot be cut.
bool Gpt::can_share(PageShift size) const {
  if (size < page_ || size.log2() >= rules_->address_bits) return false;
  const Policy& policy = rules_->policy;
  const unsigned end = kKeyBits - size.log2();
  return policy.adaptive() || end % policy.order == 0 || end == policy.key_end;
}

Status Gpt::share(VirtAddr at, PageTable& source, VirtAddr from, PageShift size, Rights mask) {
  auto* other = dynamic_cast<Gpt*>(&source);
  MMUSIM_ASSERT(other != nullptr && other->rules_ == rules_);
  if (!can_share(size)) return Status::BadSize;
  if (!is_aligned(at, size) || !is_aligned(from, size)) return Status::BadAlign;
  for (const VirtAddr va : {at, from})
    if (number_of(va.value(), kKeyBits - rules_->address_bits) != 0) return Status::NotSupported;
  const uint64_t key = at.value();
  const unsigned end = kKeyBits - size.log2();

  const uint64_t last = key + (size.bytes() - 1);
  prune_range(key, last);
  Path path;
  Status status = isolate(key, end, path);
  if (status == Status::Overlap) return Status::Occupied;
  if (status != Status::Ok) return status;
  if (path.back().shared || !path.back().load().is(Kind::Invalid)) return Status::Occupied;

  const auto record = SharedRoot::make_record(tables_);
  if (!record) return Status::NoMemory;
  PhysAddr root;
  status = other->share_from(from.value(), end, root);
  if (status != Status::Ok) {
    SharedRoot::discard_record(tables_, *record);
    return status;
  }
  // The source may be this table.
  Path now;
  status = isolate(key, end, now);
  MMUSIM_ASSERT(status == Status::Ok && now.back().load().is(Kind::Invalid));
  SharedRoot(tables_, root).add_user(*record, tables_.mm().value(), key);
  const Place& place = now.back();
  replace(now, now.size() - 1,
          GuardedEntry::shared(behind(key, place.consumed), end - place.consumed, root, mask));
  settle_above(now, 0);
  tables_.moved(false);
  return Status::Ok;
}

// The path down to a Shared entry: the first, or the last. Empty: there is none.
Path Gpt::path_to_shared(uint64_t key, bool innermost) const {
  Path path = path_to(key);
  unsigned found = 0;
  for (unsigned i = 0; i < path.size(); ++i) {
    const GuardedEntry e = path[i].load();
    if (!e.is(Kind::Shared) || !e.matches(behind(key, path[i].consumed))) continue;
    found = i + 1;
    if (!innermost) break;
  }
  while (path.size() > found)
    path.pop();
  return path;
}

// The user at `place` goes; with the last one the sub-tree goes.
void Gpt::leave_root(PhysAddr address, const Place& place) {
  const GuardedEntry user = place.load();
  const uint64_t key = place.base | user.guard() >> place.consumed;
  const SharedRoot root(tables_, address);
  root.remove_user(owner_at(place), record_base(tables_, place, key));
  if (root.users() != 0) return;
  discard_below(root.entry(), tables_.shared_root_of(place, user, key));
  root.free();
}

Status Gpt::leave(VirtAddr va, Gather& gather) {
  const Path path = path_to_shared(va.value(), false);
  if (path.size() == 0) return Status::NotSupported;
  const Place& place = path.back();
  const GuardedEntry user = place.load();
  const uint64_t key = place.base | user.guard() >> place.consumed;
  const SharedRoot root(tables_, user.address());
  const unsigned below = root.below();
  if (root.users() == 1 && holds_leaves(root.entry())) return Status::Busy;
  tables_.gather_into(&gather, VirtAddr(key));
  if (root.users() == 1) {
    retire_below(root.entry(), true);
    root.entry({});
  }
  leave_root(user.address(), place);
  tables_.gather_into(nullptr);
  replace(path, path.size() - 1, {});
  settle_above(path, path.size());
  tables_.moved(false);
  tables_.moved(true);
  gather.leaf(VirtAddr(key), page_);
  gather.leaf(VirtAddr(key + ((uint64_t{1} << below) - page_.bytes())), page_);
  return Status::Ok;
}

namespace {

void collect_sharers(Tables& tables, PhysAddr root, uint64_t offset, std::vector<Sharer>& all) {
  SharedRoot(tables, root).for_each_user([&](Owner owner, uint64_t base) {
    if ((owner & kNested) != 0)
      collect_sharers(tables, PhysAddr(owner & ~kNested), base + offset, all);
    else
      all.push_back({.mm = MmId(owner), .base = VirtAddr(base + offset)});
  });
}

}  // namespace

std::vector<Sharer> Gpt::sharers(VirtAddr va) const {
  std::vector<Sharer> all;
  const Path path = path_to_shared(va.value(), true);
  if (path.size() == 0) return all;
  // Only reads: SharedRoot serves both.
  auto& tables = const_cast<Tables&>(tables_);
  collect_sharers(tables, path.back().load().address(), 0, all);
  return all;
}

}  // namespace mmusim::pt::gpt
