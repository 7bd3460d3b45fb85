// Shared sub-trees: joining, leaving, and telling who is in. (Copying: unshare.cc.)
#include <algorithm>
#include <vector>

#include "base/error.h"
#include "pt/gpt/gpt.h"
#include "pt/gpt/shared_root.h"

namespace mmusim::pt::gpt {

uint64_t Gpt::owner_at(const Place& place) const {
  return place.shared ? kNested | place.within.value() : tables_.mm().value();
}

// Whether nothing is mapped by it: an empty leaf may stand for nothing, in a line.
static bool is_nothing(const GuardedEntry& e) {
  return e.is(Kind::Invalid) || e.is_empty_leaf();
}

// Brings the trie into such a form that the last entry of the path is all there is in the block of
// the key's first `end` bits: nothing, or with a prefix that reaches to the block at least.
Status Gpt::isolate(uint64_t key, unsigned end, Path& path) {
  path.push(root_);
  unsigned least = 0;
  while (true) {
    const Place place = path.back();
    GuardedEntry e = tables_.read(place);
    const GuardedEntry nothing = GuardedEntry::leaf(place.local(key), end, kNone);
    if (!e.is(Kind::Invalid) && e.length() >= end && e.common_with(nothing.prefix()) >= end)
      return Status::Ok;  // also one that is shared itself
    const Way way = go_down(path, e, key, end, true);
    if (way == Way::On) {
      if (!path.back().in_line) continue;
      // Others of the line may lie in the block.
      const Status status = isolate_in_line(path, nothing);
      if (status != Status::Ok) return status;
      continue;
    }
    if (way == Way::Parts) {
      if (rules_->policy.has_lines()) {
        if (!put_beside(path, nothing, least)) return Status::NoMemory;
        if (path.back().replicas_log2(path.back().load()) == 0) return Status::Ok;
        while (path.size() > 1)  // in several slots of a table, which is to be folded
          path.pop();
        continue;
      }
      if (!cut(path, std::min(e.common_with(nothing.prefix()), end))) return Status::NoMemory;
      continue;
    }
    if (e.is(Kind::Invalid)) return Status::Ok;
    if (e.is(Kind::Leaf) && e.length() < end) {
      if (!e.is_empty_leaf()) return Status::Overlap;
      remove_leaf(path);  // an empty one makes room
      continue;
    }
    if (e.is(Kind::Array)) {
      if (!part_array(path, end)) return Status::NoMemory;
      continue;
    }
    MMUSIM_ASSERT(rules_->policy.adaptive());
    if (!resizer_.fold(e, place, end - e.length())) return Status::NoMemory;
    replace(path, path.size() - 1, e);
  }
}

// The path ends in a line. What of it lies in the block of `nothing` comes into a line of its own.
Status Gpt::isolate_in_line(Path& path, const GuardedEntry& nothing) {
  const Place line = path[path.size() - 2];
  const GuardedEntry above = line.load();
  std::vector<GuardedEntry> inside;
  for_each_child(line, above, [&](const Place&, const GuardedEntry& e) {
    if (e.common_with(nothing.prefix()) >= nothing.length()) inside.push_back(e);
  });
  if (inside.size() < 2) return Status::Ok;
  const auto made = resizer_.line_of(inside, line);
  if (!made) return Status::NoMemory;
  const Place first = path.back();
  for (uint64_t i = above.valid(); i-- > 0;) {
    const Place other = tables_.entry_of_line(line, line.load(), i);
    if (other.address != first.address &&
        other.load().common_with(nothing.prefix()) >= nothing.length())
      remove_from_line(line, i);
  }
  tables_.write(first, *made);
  tables_.moved(line.shared);
  return Status::Ok;
}

void Gpt::change_account(const GuardedEntry& e, bool shared) {
  if (!e.is(Kind::Internal) && !e.is(Kind::Array)) return;
  tables_.change_account(e, shared);
  if (e.is(Kind::Array)) return;
  const Table table = tables_.below(e);
  for (uint64_t i = 0; i < e.slots(); ++i)
    change_account(table.get(i), shared);
}

void Gpt::change_prefixes(const GuardedEntry& e, uint64_t difference) {
  if (!e.is(Kind::Internal)) return;
  const Table table = tables_.below(e);
  const uint8_t level = tables_.level_of(kKeyBits - e.length() - e.width());
  tables_.touch_slots(table, 0, e.slots(), true, level);
  for (uint64_t i = 0; i < e.slots(); ++i) {
    change_prefixes(table.get(i), difference);
    table.set(i, table.get(i).moved_by(difference));
  }
}

// Shared sub-trees below `e` hang in something else from now on. Their records said so with bases
// that began as `place` says.
void Gpt::change_owner(const GuardedEntry& e, const Place& place, uint64_t from, uint64_t to) {
  if (e.is(Kind::Shared)) {
    const uint64_t key = place.base_of(e);
    const SharedRoot root(tables_, e.address());
    const auto base = [&](Owner owner) {
      return (owner & kNested) == 0
                 ? key
                 : SharedRoot(tables_, PhysAddr(owner & ~kNested)).offset_of(key);
    };
    root.change_user(from, base(from), to, base(to));
  }
  for_each_child(place, e, [&](const Place& child, const GuardedEntry& there) {
    change_owner(there, child, from, to);
  });
}

// The shared root for the block of the key's first `end` bits, made if need be.
Status Gpt::share_from(uint64_t key, unsigned end, PhysAddr& root) {
  Path path;
  const Status status = isolate(key, end, path);
  if (status != Status::Ok) return status;
  const Place& place = path.back();
  const GuardedEntry e = place.load();
  if (e.is(Kind::Shared) && e.length() == end) {
    root = e.address();
    return Status::Ok;
  }
  // Prefixes below stay as they are: those of this place are its home.
  const auto made = SharedRoot::make(tables_, kKeyBits - end, place.local(key));
  if (!made) return Status::NoMemory;
  const auto record = SharedRoot::make_record(tables_);
  if (!record) {
    made->free();
    return Status::NoMemory;
  }
  const Owner owner = owner_at(place);
  made->add_user(*record, owner, record_base(tables_, place, key));
  const GuardedEntry content = is_nothing(e) ? GuardedEntry{} : e;
  made->entry(content);
  if (!place.shared) change_account(content, true);
  const GuardedEntry user =
      GuardedEntry::shared(place.local(key), end, made->address(), Rights::all());
  change_owner(content, tables_.shared_root_of(place, user), owner,
               kNested | made->address().value());
  replace(path, path.size() - 1, user);
  tables_.touch_slots(tables_.at(made->address()), 0, 3, true, place.level);
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
  const Changing changing(*this);
  auto* other = dynamic_cast<Gpt*>(&source);
  MMUSIM_ASSERT(other != nullptr && other->rules_ == rules_);
  const Changing changing_other(*other);
  if (!can_share(size)) return Status::BadSize;
  if (!is_aligned(at, size) || !is_aligned(from, size)) return Status::BadAlign;
  for (const VirtAddr va : {at, from})
    if (!rules_->have(va)) return Status::NotSupported;
  const uint64_t key = at.value();
  const unsigned end = kKeyBits - size.log2();

  const uint64_t last = key + (size.bytes() - 1);
  prune_range(key, last);
  Path path;
  Status status = isolate(key, end, path);
  if (status == Status::Overlap) return Status::Occupied;
  if (status != Status::Ok) return status;
  if (path.back().shared || !is_nothing(path.back().load())) return Status::Occupied;

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
  MMUSIM_ASSERT(status == Status::Ok && is_nothing(now.back().load()));
  SharedRoot(tables_, root).add_user(*record, tables_.mm().value(), key);
  replace(now, now.size() - 1, GuardedEntry::shared(key, end, root, mask));
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
    if (!e.is(Kind::Shared) || !e.matches(path[i].local(key))) continue;
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
  const uint64_t key = place.base_of(user);
  const SharedRoot root(tables_, address);
  root.remove_user(owner_at(place), record_base(tables_, place, key));
  if (root.users() != 0) return;
  discard_below(root.entry(), tables_.shared_root_of(place, user));
  root.free();
}

Status Gpt::leave(VirtAddr va, Gather& gather) {
  const Changing changing(*this);
  const Path path = path_to_shared(va.value(), false);
  if (path.size() == 0) return Status::NotSupported;
  const Place& place = path.back();
  const GuardedEntry user = place.load();
  const uint64_t key = place.base_of(user);
  const SharedRoot root(tables_, user.address());
  const unsigned below = root.below();
  if (root.users() == 1 && holds_leaves(root.entry(), true)) return Status::Busy;
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
