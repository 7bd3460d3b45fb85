// A table of one's own again: what is shared on the way to an address is copied a table at a time,
// and what hangs beside the way becomes shared by itself.
#include <vector>

#include "base/error.h"
#include "pt/gpt/gpt.h"
#include "pt/gpt/shared_root.h"

namespace mmusim::pt::gpt {
namespace {

// The memory a change needs, all of it before anything is changed.
class Pieces {
 public:
  explicit Pieces(Tables& tables) : tables_(tables) {}
  ~Pieces() {
    take_apart([this] {
      for (const PhysAddr piece : roots_)
        tables_.free_piece(piece, SharedRoot::kBytes);
      for (const PhysAddr piece : records_)
        tables_.free_piece(piece, SharedRoot::kRecordBytes);
    });
  }
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

  bool reserve(uint64_t roots, uint64_t records) {
    return reserve(roots_, roots, SharedRoot::kBytes) &&
           reserve(records_, records, SharedRoot::kRecordBytes);
  }
  PhysAddr take_root() { return take(roots_); }
  PhysAddr take_record() { return take(records_); }

 private:
  bool reserve(std::vector<PhysAddr>& pieces, uint64_t count, uint64_t bytes) {
    for (uint64_t i = 0; i < count; ++i) {
      const auto piece = tables_.allocate_piece(bytes);
      if (!piece) return false;
      pieces.push_back(*piece);
    }
    return true;
  }
  static PhysAddr take(std::vector<PhysAddr>& pieces) {
    const PhysAddr piece = pieces.back();
    pieces.pop_back();
    return piece;
  }

  Tables& tables_;
  std::vector<PhysAddr> roots_;
  std::vector<PhysAddr> records_;
};

}  // namespace

void Gpt::restrict_run(Run& run, Rights mask) const {
  if (mask == Rights::all()) return;
  run.for_each([&](uint32_t, Entry& e) {
    if (!format_->is_present(e)) return;
    const Rights rights = format_->parse_leaf(e, run.size).rights;
    e = format_->with_rights(e, Rights(rights.bits() & mask.bits()));
  });
}

void Gpt::discard_below(const GuardedEntry& e, const Place& place) {
  if (e.is(Kind::Shared)) return leave_root(e.address(), place);
  if (!e.is(Kind::Internal) && !e.is(Kind::Array)) return;
  for_each_child(place, e, [&](const Place& child, const GuardedEntry& there) {
    discard_below(there, child);
  });
  tables_.discard(tables_.below(e), tables_.shape_of(e), place.shared);
}

// The only user takes the sub-tree over as it is, or as it would be at home here.
void Gpt::take_over(const Path& path) {
  const Place& place = path.back();
  const GuardedEntry user = place.load();
  const uint64_t key = place.base_of(user);
  const SharedRoot root(tables_, user.address());
  GuardedEntry content = root.entry();
  const Place top = tables_.shared_root_of(place, user);
  const Owner owner = owner_at(place);
  change_owner(content, top, kNested | root.address().value(), owner);
  if (!place.shared) change_account(content, false);
  const uint64_t difference = top.difference ^ place.difference;
  if (difference != 0) {
    change_prefixes(content, difference);
    content = content.moved_by(difference);
  }
  root.remove_user(owner, record_base(tables_, place, key));
  root.free();
  replace(path, path.size() - 1, content);
  if (user.mask() != Rights::all()) {
    const uint64_t last = last_of(key, kKeyBits - user.length());
    const auto leaves = cursor({VirtAddr(key), VirtAddr(last)}, CursorMode::Read);
    Run run;
    while (leaves->next(run)) {
      if (run.shared) continue;
      restrict_run(run, user.mask());
      run.report(sink(), mem::Origin::Kernel, run.count, run.count);
    }
  }
  tables_.moved(false);
  tables_.moved(true);
}

bool Gpt::own_block(uint64_t key, unsigned end) {
  if (!tables_.any_shared()) return true;
  Status status = Status::Moved;
  while (status == Status::Moved) {
    Path path;
    path.push(root_);
    status = own_below(path, key, end);
  }
  return status == Status::Ok;
}

// Below the path's last entry. Moved: one was taken over, and the path may be another now; Busy:
// one has other users.
Status Gpt::own_below(Path& path, uint64_t key, unsigned end) {
  const Place place = path.back();
  const GuardedEntry e = place.load();
  if (!e.is(Kind::Shared) && !e.is(Kind::Internal)) return Status::Ok;
  const unsigned before = e.length();
  if (leading(place.base_of(e), std::min(before, end)) != leading(key, std::min(before, end)))
    return Status::Ok;
  const auto look_at = [&](const Place& next) {
    path.push(next);
    const Status status = own_below(path, key, end);
    if (status != Status::Moved) path.pop();
    return status;
  };
  if (e.is(Kind::Shared)) {
    if (before < end) return look_at(tables_.shared_root_of(place, e));
    if (SharedRoot(tables_, e.address()).users() != 1) return Status::Busy;
    take_over(path);
    return Status::Moved;
  }
  Status status = Status::Ok;
  for_each_child(place, e, [&](const Place& child, const GuardedEntry& there) {
    if (status == Status::Ok && (there.is(Kind::Shared) || there.is(Kind::Internal)))
      status = look_at(child);
  });
  return status;
}

// One of several users gets a copy of the uppermost table; the tables below it become shared by
// themselves, by this user and by all the others together.
Status Gpt::copy_shared(const Path& path, const RunCopier& copy) {
  const Place& place = path.back();
  const GuardedEntry user = place.load();
  const uint64_t key = place.base_of(user);
  const SharedRoot root(tables_, user.address());
  const GuardedEntry content = root.entry();
  const Place top = tables_.shared_root_of(place, user);
  const uint64_t difference = top.difference ^ place.difference;
  const Owner owner = owner_at(place);
  const Owner others = kNested | root.address().value();
  const auto divides = [](const GuardedEntry& e) {
    return e.is(Kind::Internal) || e.is(Kind::Array);
  };

  // What memory it takes.
  uint64_t roots = 0;
  uint64_t records = content.is(Kind::Shared) ? 1 : 0;
  for_each_child(top, content, [&](const Place&, const GuardedEntry& child) {
    roots += divides(child) ? 1 : 0;
    records += divides(child) ? 2 : child.is(Kind::Shared) ? 1 : 0;
  });
  Pieces reserve(tables_);
  if (!reserve.reserve(roots, records)) return Status::NoMemory;
  std::optional<Table> table;
  if (divides(content)) {
    table = tables_.allocate(tables_.shape_of(content), place.shared);
    if (!table) return Status::NoMemory;
  }

  // A sub-tree of its own from one that hangs at `slot` of the old table, and that table's entry
  // for it. Returns this user's entry.
  const auto divide = [&](const Place& slot) {
    const GuardedEntry child = slot.load();
    const uint64_t address = slot.base_of(child);
    if (divides(child)) {
      const PhysAddr piece = reserve.take_root();
      const SharedRoot made =
          SharedRoot::in(tables_, piece, kKeyBits - child.length(), child.prefix());
      made.entry(child);
      made.add_user(reserve.take_record(), others, root.offset_of(address));
      const GuardedEntry theirs =
          GuardedEntry::shared(child.prefix(), child.length(), piece, Rights::all());
      change_owner(made.entry(), tables_.shared_root_of(slot, theirs), others,
                   kNested | piece.value());
      tables_.write(slot, theirs);
      tables_.touch_slots(tables_.at(piece), 0, 3, true, slot.level);
    }
    const GuardedEntry now = slot.load();
    SharedRoot(tables_, now.address())
        .add_user(reserve.take_record(), owner, record_base(tables_, place, address));
    return GuardedEntry::shared(now.prefix() ^ difference, now.length(), now.address(),
                                Rights(now.mask().bits() & user.mask().bits()));
  };

  Status status = Status::Ok;
  const auto copy_run = [&](Run from, Run to) {
    to.shared = place.shared;
    if (status == Status::Ok && !copy(0, from, to)) status = Status::Stopped;
    restrict_run(to, user.mask());
  };
  GuardedEntry mine;
  std::optional<Run> lone;  // of a leaf that is all there is
  if (content.is(Kind::Shared)) {
    mine = divide(top);
  } else if (content.is(Kind::Leaf)) {
    mine = GuardedEntry::leaf(content.prefix() ^ difference, content.length(), kNone);
    lone = run_of({.address = top.address, .words = top.words}, 0, 1, content, top);
  } else if (content.is(Kind::Array)) {
    mine = GuardedEntry::array(content.prefix() ^ difference, content.length(), table->address,
                               content.valid());
    const auto pages = uint32_t{1} << tables_.pages_log2(content);
    copy_run(run_of_array(tables_.below(content), 0, pages, content, top),
             run_of_array(*table, 0, pages, mine, place));
  } else if (content.is(Kind::Internal)) {
    const Table old = tables_.below(content);
    tables_.touch_slots(old, 0, content.slots(), false, top.level);
    for (uint64_t i = 0; i < content.slots();) {
      const Place slot = content.is_line()
                             ? tables_.entry_of_line(top, content, i)
                             : tables_.slot_of(top, content,
                                               top.base_of(content) |
                                                   key_of(i, content.length(), content.width()));
      const GuardedEntry child = slot.load();
      if (!child.is(Kind::Leaf)) {
        if (!child.is(Kind::Invalid)) table->set(i, divide(slot));
        ++i;
        continue;
      }
      const unsigned replicas_log2 = slot.replicas_log2(child);
      const uint64_t replicas = uint64_t{1} << replicas_log2;
      const bool alone = content.is_line() || child.length() > slot.consumed;
      uint64_t next = i;
      do {
        for (uint64_t replica = next; replica < next + replicas; ++replica)
          table->set(replica, {.head = old.get(replica).moved_by(difference).head, .body = kNone});
        next += replicas;
      } while (!alone && next < content.slots() && old.get(next).is(Kind::Leaf) &&
               old.get(next).length() == child.length());
      const auto leaves = static_cast<uint32_t>((next - i) >> replicas_log2);
      Place target = slot;
      target.difference = place.difference;
      copy_run(run_of(old, i, leaves, child, slot),
               run_of(*table, i, leaves, table->get(i), target));
      i = next;
    }
    tables_.touch_slots(*table, 0, content.slots(), true, top.level);
    const uint64_t prefix = content.prefix() ^ difference;
    if (content.is_line()) {
      mine = GuardedEntry::line(prefix, content.length(), table->address, content.valid(),
                                content.room_log2());
    } else {
      mine = tables_.entry_of(*table, content.width(), prefix, content.length());
      tables_.write_counts(top,
                           tables_.weigh(old, content.width(), content.length() + content.width()));
    }
  }

  root.remove_user(owner, record_base(tables_, place, key));
  replace(path, path.size() - 1, mine);
  if (lone) {
    Run to = run_of({.address = place.address, .words = place.words}, 0, 1, place.load(), place);
    copy_run(*lone, to);
  }
  tables_.moved(false);
  tables_.moved(true);
  return status;
}

Status Gpt::unshare(VirtAddr va, const RunCopier& copy) {
  const Changing changing(*this);
  while (true) {
    Path path = path_to_shared(va.value(), false);
    if (path.size() == 0) return Status::Ok;
    const GuardedEntry user = path.back().load();
    if (SharedRoot(tables_, user.address()).users() == 1) {
      take_over(path);
      continue;
    }
    // Of a large array only a part is to be copied: all that share it have a table from now on.
    const Place top = tables_.shared_root_of(path.back(), user);
    const GuardedEntry content = top.load();
    if (content.is(Kind::Array) && tables_.pages_log2(content) > kSmallArray) {
      path.push(top);
      if (!part_array(path, rules_->policy.key_end - kSmallArray)) return Status::NoMemory;
      continue;
    }
    const Status status = copy_shared(path, copy);
    if (status != Status::Ok) return status;
  }
}

}  // namespace mmusim::pt::gpt
