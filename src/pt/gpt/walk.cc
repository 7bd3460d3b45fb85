#include "pt/gpt/walk.h"

#include "base/error.h"

namespace mmusim::pt::gpt {

SteppingWalk::SteppingWalk(Gpt& table, VirtAddr va) : gpt_(table), va_(va) {
  gpt_.tables_.open_walk();
  begin();
}

SteppingWalk::~SteppingWalk() {
  take_apart([this] { gpt_.tables_.close_walk(); });
}

void SteppingWalk::begin() {
  found_ = {};
  load_ = gpt_.descent_.begin(va_.value(), found_);
  before_ = found_;
}

bool SteppingWalk::again() {
  begin();
  ++restarts_;
  return true;
}

void SteppingWalk::report(PhysAddr address, unsigned bytes) const {
  gpt_.sink().reference(
      address, bytes, false,
      {.origin = mem::Origin::Handler, .level = load_.level, .dependent = load_.dependent});
}

bool SteppingWalk::step() {
  const uint64_t key = va_.value();
  const bool at_root = load_.led_here == Kind::Invalid;
  if (!at_root || !found_.place.at_hand()) report(load_.address, load_.bytes);
  if (load_.led_here == Kind::Array) {
    if (gpt_.pte_of(key, found_) != kNone) return false;
    // There is no page, or the array is no longer used.
    report(found_.place.address, kEntryBytes);
    const GuardedEntry now = found_.place.load();
    return now.head == found_.entry.head && now.address() == found_.entry.address() ? false
                                                                                    : again();
  }
  if (before_.entry.is_line()) {
    // What is in the line now, which is read as a whole.
    if (gpt_.tables_.below(before_.entry).get(0).is_moved()) return again();
    found_ = before_;
    gpt_.descent_.go_on(key, found_, load_);
    if (found_.entry.is(Kind::Invalid)) return false;
  }
  found_.entry = found_.place.load();
  if (found_.entry.is_moved()) return again();
  before_ = found_;
  return gpt_.descent_.go_on(key, found_, load_);
}

Lookup SteppingWalk::result() const {
  return gpt_.lookup_of(va_, found_);
}

}  // namespace mmusim::pt::gpt
