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
      for (const PhysAddr piece : pieces_)
        tables_.free_piece(piece, SharedRoot::kBytes);
    });
  }
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

  bool reserve(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const auto piece = tables_.allocate_piece(SharedRoot::kBytes);
      if (!piece) return false;
      pieces_.push_back(*piece);
    }
    return true;
  }
  PhysAddr take() {
    const PhysAddr piece = pieces_.back();
    pieces_.pop_back();
    return piece;
  }

 private:
  Tables& tables_;
  std::vector<PhysAddr> pieces_;
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
  if (!e.is(Kind::Internal)) return;
  const Table table = tables_.below(e);
  const uint64_t base = place.base | e.guard() >> place.consumed;
  const unsigned end = place.consumed + e.guard_length();
  for (uint64_t i = 0; i < e.slots(); ++i) {
    const GuardedEntry child = table.get(i);
    if (child.is(Kind::Internal) || child.is(Kind::Shared))
      discard_below(child, tables_.slot_of(place, e, base | key_of(i, e.width()) >> end));
  }
  tables_.discard(table, e.width(), place.shared);
}

// The only user takes the sub-tree over as it is.
void Gpt::take_over(const Path& path) {
  const Place& place = path.back();
  const GuardedEntry user = place.load();
  const uint64_t key = place.base | user.guard() >> place.consumed;
  const SharedRoot root(tables_, user.address());
  const GuardedEntry content = root.entry();
  const Place top = tables_.shared_root_of(place, user, key);
  const Owner owner = owner_at(place);
  change_owner(content, top, kNested | root.address().value(), owner);
  if (!place.shared) change_account(content, false);
  root.remove_user(owner, place.shared ? SharedRoot(tables_, place.within).offset_of(key) : key);
  root.free();
  replace(
      path, path.size() - 1,
      content.is(Kind::Invalid) ? content : content.after_bits(user.guard(), user.guard_length()));
  if (user.mask() != Rights::all()) {
    const unsigned end = place.consumed + user.guard_length();
    const uint64_t last = last_of(key, kKeyBits - end);
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
  const uint64_t base = place.base | e.guard() >> place.consumed;
  const unsigned before = place.consumed + e.guard_length();
  if (leading(base, std::min(before, end)) != leading(key, std::min(before, end)))
    return Status::Ok;
  const auto look_at = [&](const Place& next) {
    path.push(next);
    const Status status = own_below(path, key, end);
    if (status != Status::Moved) path.pop();
    return status;
  };
  if (e.is(Kind::Shared)) {
    if (before < end) return look_at(tables_.shared_root_of(place, e, base));
    if (SharedRoot(tables_, e.address()).users() != 1) return Status::Busy;
    take_over(path);
    return Status::Moved;
  }
  for (uint64_t i = 0; i < e.slots(); ++i) {
    const GuardedEntry child = tables_.below(e).get(i);
    if (!child.is(Kind::Shared) && !child.is(Kind::Internal)) continue;
    const Status status = look_at(tables_.slot_of(place, e, base | key_of(i, e.width()) >> before));
    if (status != Status::Ok) return status;
  }
  return Status::Ok;
}

// One of several users gets a copy of the uppermost table; the tables below it become shared by
// themselves, by this user and by all the others together.
Status Gpt::copy_shared(const Path& path, const RunCopier& copy) {
  const Place& place = path.back();
  const GuardedEntry user = place.load();
  const uint64_t key = place.base | user.guard() >> place.consumed;
  const SharedRoot root(tables_, user.address());
  const GuardedEntry content = root.entry();
  const Place top = tables_.shared_root_of(place, user, key);
  const Owner owner = owner_at(place);
  const Owner others = kNested | root.address().value();
  const auto base_of = [&](uint64_t address) {
    return place.shared ? SharedRoot(tables_, place.within).offset_of(address) : address;
  };

  // What memory it takes.
  uint64_t pieces = content.is(Kind::Shared) ? 1 : 0;
  std::optional<Table> table;
  if (content.is(Kind::Internal)) {
    const Table old = tables_.below(content);
    for (uint64_t i = 0; i < content.slots(); ++i) {
      const Kind kind = old.get(i).kind();
      pieces += kind == Kind::Internal ? 3 : kind == Kind::Shared ? 1 : 0;
    }
  }
  Pieces reserve(tables_);
  if (!reserve.reserve(pieces)) return Status::NoMemory;
  if (content.is(Kind::Internal)) {
    table = tables_.allocate(content.width(), place.shared);
    if (!table) return Status::NoMemory;
  }

  // A sub-tree of its own from one that hangs at `slot` of the old table. Returns this user's
  // entry.
  const auto divide = [&](const Place& slot) {
    const GuardedEntry child = slot.load();
    const uint64_t address = slot.base | child.guard() >> slot.consumed;
    if (child.is(Kind::Internal)) {
      const PhysAddr piece = reserve.take();
      const SharedRoot made =
          SharedRoot::in(tables_, piece, kKeyBits - slot.consumed - child.guard_length());
      made.entry(child.with_guard(0, 0));
      made.add_user(reserve.take(), others, root.offset_of(address));
      const GuardedEntry theirs =
          GuardedEntry::shared(child.guard(), child.guard_length(), piece, Rights::all());
      change_owner(made.entry(), tables_.shared_root_of(slot, theirs, address), others,
                   kNested | piece.value());
      slot.words[0] = theirs.head;
      slot.words[1] = theirs.body;
      tables_.touch_slots(tables_.at(piece), 0, 2, true, slot.level());
    }
    const GuardedEntry now = slot.load();
    SharedRoot(tables_, now.address()).add_user(reserve.take(), owner, base_of(address));
    return GuardedEntry::shared(now.guard(), now.guard_length(), now.address(),
                                Rights(now.mask().bits() & user.mask().bits()));
  };

  Status status = Status::Ok;
  GuardedEntry mine;
  std::optional<Run> lone;  // of a leaf that is all there is
  if (content.is(Kind::Shared)) {
    mine = divide(top).after_bits(user.guard(), user.guard_length());
  } else if (content.is(Kind::Leaf)) {
    mine = GuardedEntry::leaf(content.guard(), content.guard_length(), 0, kNone)
               .after_bits(user.guard(), user.guard_length());
    lone = run_of({.address = top.address, .words = top.words}, 0, 1, content, top);
  } else if (content.is(Kind::Internal)) {
    const Table old = tables_.below(content);
    const unsigned end = top.consumed + content.guard_length();
    const uint64_t base = top.base | content.guard() >> top.consumed;
    tables_.touch_slots(old, 0, content.slots(), false, top.level());
    for (uint64_t i = 0; i < content.slots();) {
      const GuardedEntry child = old.get(i);
      const Place slot = tables_.slot_of(top, content, base | key_of(i, content.width()) >> end);
      if (!child.is(Kind::Leaf)) {
        if (!child.is(Kind::Invalid)) table->set(i, divide(slot));
        ++i;
        continue;
      }
      uint64_t next = i;
      while (next < content.slots() && old.get(next).head == child.head &&
             (next == i || child.guard_length() == 0)) {
        for (uint64_t replica = next; replica < next + child.replicas(); ++replica)
          table->set(replica, {.head = child.head, .body = kNone});
        next += child.replicas();
      }
      const auto leaves = static_cast<uint32_t>((next - i) >> child.replicas_log2());
      Run from = run_of(old, i, leaves, child, slot);
      Run to = run_of(*table, i, leaves, child, slot);
      to.shared = place.shared;
      if (status == Status::Ok && !copy(0, from, to)) status = Status::Stopped;
      restrict_run(to, user.mask());
      i = next;
    }
    tables_.touch_slots(*table, 0, content.slots(), true, top.level());
    mine = tables_.entry_of(*table, content.width(), content.guard(), content.guard_length())
               .after_bits(user.guard(), user.guard_length());
    tables_.write_counts(top, tables_.weigh(old, content.width()));
  }

  root.remove_user(owner, base_of(key));
  replace(path, path.size() - 1, mine);
  if (lone) {
    Run to = run_of({.address = place.address, .words = place.words}, 0, 1, mine, place);
    if (!copy(0, *lone, to)) status = Status::Stopped;
    restrict_run(to, user.mask());
  }
  tables_.moved(false);
  tables_.moved(true);
  return status;
}

Status Gpt::unshare(VirtAddr va, const RunCopier& copy) {
  while (true) {
    const Path path = path_to_shared(va.value(), false);
    if (path.size() == 0) return Status::Ok;
    const GuardedEntry user = path.back().load();
    if (SharedRoot(tables_, user.address()).users() == 1) {
      take_over(path);
      continue;
    }
    const Status status = copy_shared(path, copy);
    if (status != Status::Ok) return status;
  }
}

}  // namespace mmusim::pt::gpt
