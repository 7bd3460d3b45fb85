// What lies in a range, and the operations on ranges: cursor, copy, move, trim.
#include <algorithm>
#include <limits>

#include "base/error.h"
#include "pt/hashed/hashed.h"

namespace mmusim::pt::hashed {

bool Hashed::sweeps(uint64_t first, uint64_t last) const {
  const uint64_t pages = ((last - first) >> rules_->sizes[0].log2()) + 1;
  return pages > entries_ + (uint64_t{1} << log2_);
}

std::vector<Hashed::Node> Hashed::within(uint64_t first, uint64_t last) const {
  std::vector<Node> nodes;
  if (sweeps(first, last)) {
    for (uint64_t i = 0; i < uint64_t{1} << log2_; ++i) {
      touch(buckets_ + i * 8, false, 1);
      for (uint64_t at = heads_[i]; at != 0;) {
        const Node node = node_at(at);
        touch(node.address, false, 0);
        touch(node.address + 8, false, 0);
        if (node.base() <= last && end_of(node) >= first) nodes.push_back(node);
        at = node.next();
      }
    }
  } else {
    for (unsigned c = 0; c < of_class_.size(); ++c) {
      if (of_class_[c] == 0) continue;
      const unsigned shift = rules_->sizes[c].log2();
      for (uint64_t number = first >> shift;; ++number) {
        WalkPath path;
        const auto node = probe(number << shift | c, path);
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
    run = table_.run_of(nodes_[at_++]);
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
  static constexpr uint64_t kWindowPages = 512;

  void pass(uint64_t end) {  // inclusive
    done_ = end >= last_;
    position_ = end + 1;
  }
  void fill() {
    const uint64_t window = (kWindowPages << table_.rules_->sizes[0].log2()) - 1;
    const bool all = last_ - position_ <= window || table_.sweeps(position_, last_);
    const uint64_t end = all ? last_ : position_ + window;
    nodes_ = table_.within(position_, end);
    at_ = 0;
    // A leaf that reaches in from the window before was met there.
    if (continued_)
      while (at_ < nodes_.size() && nodes_[at_].base() < position_)
        ++at_;
    continued_ = true;
    pass(end);
  }
  bool build(Run& run) {
    if (done_) return false;
    const Slot slot = table_.ensure(VirtAddr(position_), table_.rules_->sizes[0]);
    if (slot.status != Status::Ok && slot.status != Status::Overlap) {
      status_ = slot.status;
      done_ = true;
      return false;
    }
    const Hashed::Node node = table_.node_at(slot.handle.place);
    run = table_.run_of(node);
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
  std::vector<Hashed::Node> nodes_;
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
      Run twin = other->run_of(other->node_at(slot.handle.place));
      if (!copy(i, run, twin)) return Status::Stopped;
    }
  }
  return Status::Ok;
}

// An entry moves by changing its tag and chain, so only splitting needs memory.
Status Hashed::move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) {
  done = 0;
  while (done < bytes && from + done <= rules_->last) {
    const uint64_t begin = from.value() + done;
    const uint64_t last = from.value() + (bytes - 1);
    std::vector<Node> nodes = within(begin, std::min(last, rules_->last.value()));
    nodes.erase(std::remove_if(nodes.begin(), nodes.end(),
                               [](const Node& node) { return node.entry() == kNone; }),
                nodes.end());
    bool restart = false;
    for (const Node& node : nodes) {
      const uint64_t base = node.base();
      const unsigned c = node.size_class();
      const uint64_t mask = rules_->sizes[c].offset_mask();
      const uint64_t target = base - from.value() + to.value();
      done = std::max(base, begin) - from.value();
      if (base < begin || base + mask > last || (target & mask) != 0) {
        const Status status = split(handle_of(node), rules_->sizes[c - 1]);
        if (status != Status::Ok) return status;
        restart = true;
        break;
      }
      if (target > rules_->last.value()) return Status::NotSupported;
      unlink(node);
      const bool room = make_room(target, target + mask);
      link(node, target | c);
      if (!room) return Status::Occupied;
    }
    if (!restart) break;
  }
  done = bytes;
  return Status::Ok;
}

void Hashed::trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) {
  if (range.empty() || range.begin > rules_->last) return;
  const uint64_t last = std::min(range.end.value() - 1, rules_->last.value());
  const uint64_t limit =
      ceiling.value() == 0 ? std::numeric_limits<uint64_t>::max() : ceiling.value() - 1;
  for (const Node& node : within(range.begin.value(), last)) {
    touch(node.address + 16, false, 0);
    if (node.entry() != kNone || node.base() < floor.value() || end_of(node) > limit) continue;
    const VirtAddr base(node.base());
    const PageShift size = rules_->sizes[node.size_class()];
    unlink(node);
    gather.table({base, base + rules_->sizes[0].bytes()}, size,
                 {.allocator = allocator_, .address = node.address, .bytes = kEntryBytes});
  }
}

}  // namespace mmusim::pt::hashed
