// Going through a range, a run of slots at a time.
#include "pt/mlpt/cursor.h"

#include <algorithm>

namespace mmusim::pt::mlpt {

MlptCursor::MlptCursor(Mlpt& table, VirtRange range, CursorMode mode)
    : mlpt_(table),
      shape_(*table.shape_),
      position_(shape_.flat_from(range.begin)),
      last_(shape_.flat_up_to(range.end - 1)),
      build_(mode == CursorMode::Build),
      done_(range.empty() || position_ > last_) {
  if (build_ && !range.empty() && !shape_.maps(range.end - 1)) status_ = Status::NotSupported;
  restart();
}

void MlptCursor::restart() {
  level_ = shape_.top();
  path_[level_] = {.table = mlpt_.root_, .number = 0};
}

void MlptCursor::seek(VirtAddr va) {
  position_ = shape_.flat_from(va);
  done_ = position_ > last_;
  restart();
}

// Goes behind the slot of `level` numbered `slot` (from flat address 0 on).
void MlptCursor::pass(uint64_t slot, unsigned level) {
  const unsigned shift = shape_.level(level).shift;
  if (slot >= last_ >> shift)
    done_ = true;
  else
    position_ = (slot + 1) << shift;
}

bool MlptCursor::next(Run& run) {
  while (!done_) {
    // Up to the lowest table on the path that serves the position.
    while (level_ < shape_.top() && position_ >> shape_.level(level_).span != path_[level_].number)
      ++level_;

    const Table table = path_[level_].table;
    const Shape::Level& shape = shape_.level(level_);
    const uint64_t slot = position_ >> shape.shift;
    const uint64_t index = slot & (shape.entries - 1);
    // How many slots from here on lie in this table and in the range.
    const uint64_t room = std::min(shape.entries - index, (last_ >> shape.shift) - slot + 1);
    const VirtAddr start = shape_.address_of(slot << shape.shift);

    if (level_ == 0) {
      run = mlpt_.run_of(table, 0, index, room, start);
      pass(slot + room - 1, 0);
      return true;
    }
    Entry e = mlpt_.read(table, index, level_);
    if (e == kNone && build_) {
      const Status made = mlpt_.add_table(table, index, level_);
      if (made != Status::Ok) {
        status_ = made;
        done_ = true;
        return false;
      }
      e = mlpt_.word(table, index);
    }
    if (e == kNone) {
      pass(slot, level_);
    } else if (mlpt_.is_leaf(e, level_)) {
      uint64_t count = 1;
      while (count < room) {
        const Entry next = mlpt_.read(table, index + count, level_);
        if (next == kNone || !mlpt_.is_leaf(next, level_)) break;
        ++count;
      }
      run = mlpt_.run_of(table, level_, index, count, start);
      pass(slot + count - 1, level_);
      return true;
    } else {
      --level_;
      path_[level_] = {.table = mlpt_.below(table, e, level_),
                       .number = position_ >> shape_.level(level_).span};
    }
  }
  return false;
}

std::unique_ptr<Cursor> Mlpt::cursor(VirtRange range, CursorMode mode) {
  return std::make_unique<MlptCursor>(*this, range, mode);
}

}  // namespace mmusim::pt::mlpt
