#include "pt/gpt/walk.h"

#include "base/error.h"

namespace mmusim::pt::gpt {

SteppingWalk::SteppingWalk(Gpt& table, VirtAddr va) : gpt_(table), va_(va) {
  found_.place = gpt_.root_;
  gpt_.tables_.open_walk();
}

SteppingWalk::~SteppingWalk() {
  take_apart([this] { gpt_.tables_.close_walk(); });
}

bool SteppingWalk::step() {
  const Place place = found_.place;
  gpt_.sink().reference(
      place.address, kEntryBytes, false,
      {.origin = mem::Origin::Handler, .level = place.level(), .dependent = place.depth != 0});
  found_.entry = place.load();
  if (found_.entry.is_moved()) {
    found_ = {};
    found_.place = gpt_.root_;
    ++restarts_;
    return true;
  }
  return gpt_.descend_one(va_.value(), found_);
}

Lookup SteppingWalk::result() const {
  return gpt_.lookup_of(va_, found_);
}

}  // namespace mmusim::pt::gpt
