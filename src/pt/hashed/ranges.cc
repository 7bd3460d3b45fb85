// What lies in a range, and the operations on ranges: cursor, copy, move, trim.
#include <algorithm>
#include <limits>

#include "base/error.h"
#include "pt/hashed/hashed.h"

namespace mmusim::pt::hashed {

bool Hashed::sweeps(uint64_t first, uint64_t last) const {
  const uint64_t blocks = ((last - first) >> rules_->span(0).log2()) + 1;
  return blocks > store_->nodes() + store_->buckets();
}

std::vector<Node> Hashed::within(uint64_t first, uint64_t last) const {
  std::vector<Node> nodes;
  if (sweeps(first, last)) {
    store_->touch_all();
    store_->for_each([&](uint64_t, const Node& node) {
      if (mine(node) && node.base() <= last && end_of(node) >= first) nodes.push_back(node);
    });
  } else {
    for (unsigned c = 0; c < of_class_.size(); ++c) {
      if (of_class_[c] == 0) continue;
      const unsigned shift = rules_->span(c).log2();
      for (uint64_t number = first >> shift;; ++number) {
        WalkPath path;
        const auto node = store_->find(tag_of(number << shift, c), path);
        path.report(sink(), mem::Origin::Kernel);
        if (node) nodes.push_back(*node);
        if (number == last >> shift) break;
      }
    }
  }
  std::sort(nodes.begin(), nodes.end(),
            [](const Node& a, const Node& b) { return a.base() < b.base(); });
  return nodes;
}

// Goes through the table in windows where it probes, so that who stops early pays for no more.
class HashedCursor final : public Cursor {
 public:
  HashedCursor(Hashed& table, VirtRange range, CursorMode mode)
      : table_(table),
        position_(range.begin.value()),
        last_(std::min(range.end.value() - 1, table.rules_->last.value())),
        build_(mode == CursorMode::Build),
        done_(range.empty() || range.begin > table.rules_->last) {
    if (build_ && !range.empty() && range.end.value() - 1 > last_) status_ = Status::NotSupported;
  }

  bool next(Run& run) override {
    if (build_) return build(run);
    while (at_ == nodes_.size()) {
      if (done_) return false;
      fill();
    }
    run = table_.run_of(nodes_[at_++], first_, end_);
    return true;
  }
  Status status() const override { return status_; }
  void seek(VirtAddr va) override {
    position_ = va.value();
    done_ = position_ > last_;
    continued_ = false;
    nodes_.clear();
    at_ = 0;
  }

 private:
  static constexpr uint64_t kWindowBlocks = 512;

  void pass(uint64_t end) {  // inclusive
    done_ = end >= last_;
    position_ = end + 1;
  }
  void fill() {
    const uint64_t window = (kWindowBlocks << table_.rules_->span(0).log2()) - 1;
    const bool all = last_ - position_ <= window || table_.sweeps(position_, last_);
    first_ = position_;
    end_ = all ? last_ : position_ + window;
    nodes_ = table_.within(first_, end_);
    at_ = 0;
    // A leaf that reaches in from the window before was met there; of a block the rest is met now.
    if (continued_)
      while (at_ < nodes_.size() && nodes_[at_].base() < position_ && nodes_[at_].size_class() != 0)
        ++at_;
    continued_ = true;
    pass(end_);
  }
  bool build(Run& run) {
    if (done_) return false;
    const Slot slot = table_.ensure(VirtAddr(position_), table_.rules_->page());
    if (slot.status != Status::Ok && slot.status != Status::Overlap) {
      status_ = slot.status;
      done_ = true;
      return false;
    }
    const Node node = table_.node_of(slot.handle);
    run = table_.run_of(node, position_, last_);
    pass(table_.end_of(node));
    return true;
  }

  Hashed& table_;
  uint64_t position_;
  uint64_t last_;  // inclusive
  bool build_;
  bool done_;
  bool continued_ = false;
  Status status_ = Status::Ok;
  uint64_t first_ = 0;  // of the window ...
  uint64_t end_ = 0;    // ... inclusive
  std::vector<Node> nodes_;
  size_t at_ = 0;
};

std::unique_ptr<Cursor> Hashed::cursor(VirtRange range, CursorMode mode) {
  return std::make_unique<HashedCursor>(*this, range, mode);
}

Status Hashed::copy_ranges(PageTable& to, std::span<const VirtRange> ranges,
                           const RunCopier& copy) {
  auto* other = dynamic_cast<Hashed*>(&to);
  MMUSIM_ASSERT(other != nullptr && other != this && other->rules_ == rules_);
  for (size_t i = 0; i < ranges.size(); ++i) {
    const auto source = cursor(ranges[i], CursorMode::Read);
    Run run;
    while (source->next(run)) {
      const Slot slot = other->ensure(run.start, run.size);
      if (slot.status != Status::Ok) return slot.status;
      Run twin = other->run_of(other->node_of(slot.handle), run.start.value(),
                               run.address(run.count - 1).value());
      if (!copy(i, run, twin)) return Status::Stopped;
    }
  }
  return Status::Ok;
}

// A node of which all moves, to where a node can be, changes its tag and chain and needs no memory.
// Of other blocks the pages move one by one; what that leaves empty stands until trim(), so the way
// back needs no memory either.
Status Hashed::move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) {
  done = 0;
  const uint64_t end = std::min(from.value() + (bytes - 1), rules_->last.value());
  while (done < bytes && from + done <= rules_->last) {
    const uint64_t begin = from.value() + done;
    bool restart = false;
    for (const Node& node : within(begin, end)) {
      if (look_empty(node)) continue;
      const uint64_t first = std::max(node.base(), begin);
      const unsigned c = node.size_class();
      const uint64_t mask = rules_->span(c).offset_mask();
      const uint64_t target = node.base() - from.value() + to.value();
      done = first - from.value();
      Status status = Status::Ok;
      if (node.base() >= begin && node.base() + mask <= from.value() + (bytes - 1) &&
          (target & mask) == 0) {
        status = move_node(node, target);
      } else if (c == 0) {
        status = move_pages(run_of(node, first, end), from, to, done);
      } else {
        status = split(handle_of(node, 0), rules_->sizes[c - 1]);
        restart = true;
      }
      if (status != Status::Ok) return status;
      if (restart) break;
    }
    if (!restart) break;
  }
  done = bytes;
  return Status::Ok;
}

Status Hashed::move_node(const Node& node, uint64_t target) {
  if (target > rules_->last.value()) return Status::NotSupported;
  const unsigned c = node.size_class();
  unlink(node);
  const bool room = make_room(target, target + rules_->span(c).offset_mask());
  link(node, tag_of(target, c));
  return room ? Status::Ok : Status::Occupied;
}

Status Hashed::move_pages(Run run, VirtAddr from, VirtAddr to, uint64_t& done) {
  run.report(sink(), mem::Origin::Kernel, run.count, 0);
  for (uint32_t i = 0; i < run.count; ++i) {
    const Entry e = run.get(i);
    if (e == kNone) continue;
    done = run.address(i) - from;
    const Slot slot = ensure(to + done, run.size);
    if (slot.status != Status::Ok) return slot.status;
    static_cast<void>(install(slot.handle, kNone, e));
    run.set(i, kNone);
    run.part(i, 1).report(sink(), mem::Origin::Kernel, 0, 1);
  }
  return Status::Ok;
}

void Hashed::trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) {
  if (range.empty() || range.begin > rules_->last) return;
  const uint64_t last = std::min(range.end.value() - 1, rules_->last.value());
  const uint64_t limit =
      ceiling.value() == 0 ? std::numeric_limits<uint64_t>::max() : ceiling.value() - 1;
  for (const Node& node : within(range.begin.value(), last))
    if (look_empty(node) && node.base() >= floor.value() && end_of(node) <= limit)
      retire(node, gather);
}

}  // namespace mmusim::pt::hashed
