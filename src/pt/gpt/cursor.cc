#include "pt/gpt/cursor.h"

#include <algorithm>

#include "base/error.h"

namespace mmusim::pt::gpt {

GptCursor::GptCursor(Gpt& table, VirtRange range, CursorMode mode)
    : gpt_(table), position_(range.begin.value()), mode_(mode), done_(range.empty()) {
  const unsigned bits = table.rules_->address_bits;
  const uint64_t highest = bits == kKeyBits ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  last_ = std::min(range.end.value() - 1, highest);
  if (done_) return;
  if (position_ > highest) done_ = true;
  if (mode == CursorMode::Build && range.end.value() - 1 > highest) status_ = Status::NotSupported;
}

GptCursor::~GptCursor() {
  take_apart([this] { settle_run(); });
}

void GptCursor::restart() {
  while (path_.size() != 0)
    path_.pop();
}

void GptCursor::seek(VirtAddr va) {
  settle_run();
  position_ = va.value();
  done_ = position_ > last_;
  restart();
}

void GptCursor::pass(uint64_t begin, unsigned log2) {
  const uint64_t last = last_of(begin, log2);
  if (last >= last_)
    done_ = true;
  else
    position_ = last + 1;
}

void GptCursor::settle_run() {
  if (!has_run_) return;
  has_run_ = false;
  gpt_.prune_range(run_first_, run_last_);
  restart();
}

Status GptCursor::build_one_by_one(uint64_t first, uint64_t last) {
  for (uint64_t at = first;; at += gpt_.page_.bytes()) {
    const Status status = gpt_.ensure(VirtAddr(at), gpt_.page_).status;
    if (status != Status::Ok || last - at < gpt_.page_.bytes()) return status;
  }
}

void GptCursor::build(unsigned void_log2, bool empty_leaf) {
  const Policy& policy = gpt_.rules_->policy;
  const unsigned page = gpt_.page_.log2();
  const uint64_t first = leading(position_, kKeyBits - page);
  // Of the block around it that is to be built; not beyond the range.
  const auto last_in = [&](unsigned log2) {
    return std::min(last_of(leading(first, kKeyBits - log2), log2), last_);
  };
  const unsigned most = std::min(void_log2, page + policy.widest);
  if (empty_leaf || !policy.adaptive()) {
    status_ = build_one_by_one(first, last_in(most));
  } else {
    // The largest block whose table would be worth its slots.
    unsigned log2 = page;
    for (unsigned next = page + 1; next <= most; ++next) {
      const uint64_t used = ((last_in(next) - first) >> page) + 1;
      if (used * 100 >= uint64_t{policy.inflate} << (next - page)) log2 = next;
    }
    const uint64_t last = last_in(log2);
    status_ = gpt_.ensure_pages(first, last, log2);
    if (status_ == Status::NotSupported) status_ = build_one_by_one(first, last);
  }
  if (status_ != Status::Ok) done_ = true;
  restart();
}

// The run that begins with the leaf `e` at `place`.
bool GptCursor::take_run(const Place& place, const GuardedEntry& e, Run& run) {
  const unsigned log2 = kKeyBits - place.consumed - e.guard_length() + e.replicas_log2();
  const uint64_t group = kEntryBytes << e.replicas_log2();
  const Table table = gpt_.tables_.at(PhysAddr(place.address.value() & ~(group - 1)));
  uint32_t count = 1;
  uint64_t begin = 0;
  if (place.top || e.guard_length() != 0) {
    begin = place.base | e.guard() >> place.consumed;
  } else {
    begin = leading(place.base, kKeyBits - log2);
    const GuardedEntry above = path_.back().load();
    const uint64_t slot = (table.address - above.address()) / kEntryBytes;
    const uint64_t room =
        std::min((above.slots() - slot) >> e.replicas_log2(), ((last_ - begin) >> log2) + 1);
    while (count < room && table.get(uint64_t{count} << e.replicas_log2()).head == e.head)
      ++count;
  }
  run = gpt_.run_of(table, 0, count, e, place);
  run.start = VirtAddr(begin);
  if (mode_ == CursorMode::Zap && gpt_.rules_->policy.eager) {
    has_run_ = true;
    run_first_ = begin;
    run_last_ = last_of(begin + (uint64_t{count - 1} << log2), log2);
  }
  pass(begin + (uint64_t{count - 1} << log2), log2);
  return true;
}

bool GptCursor::next(Run& run) {
  settle_run();
  while (!done_) {
    // Up to the lowest entry passed below which the position lies.
    while (path_.size() != 0) {
      const Place& above = path_.back();
      const GuardedEntry e = above.load();
      const unsigned used = above.consumed + e.guard_length();
      if (leading(position_, used) == (above.base | e.guard() >> above.consumed)) break;
      path_.pop();
    }
    Place place = gpt_.root_;
    if (path_.size() != 0) {
      const GuardedEntry above = path_.back().load();
      place = above.is(Kind::Shared) ? gpt_.tables_.shared_root_of(path_.back(), above, position_)
                                     : gpt_.tables_.slot_of(path_.back(), above, position_);
    }

    const GuardedEntry e = place.load();
    const bool build = mode_ == CursorMode::Build;
    if (e.is(Kind::Leaf) && e.matches(behind(position_, place.consumed))) {
      const unsigned log2 = kKeyBits - place.consumed - e.guard_length() + e.replicas_log2();
      if (!build || !e.is_empty_leaf() || log2 == gpt_.page_.log2()) return take_run(place, e, run);
      this->build(log2, true);
      continue;
    }
    static_cast<void>(gpt_.tables_.read(place));
    if (e.is(Kind::Invalid)) {
      if (build)
        this->build(kKeyBits - place.consumed);
      else
        pass(place.base, kKeyBits - place.consumed);
      continue;
    }
    const uint64_t rest = behind(position_, place.consumed);
    if (!e.matches(rest)) {
      const unsigned common = e.common_with(rest);
      const unsigned empty_log2 = kKeyBits - place.consumed - common - 1;
      if (build)
        this->build(empty_log2);
      else  // what the guard leads to lies before the position, or is met when this is passed
        pass(leading(position_, kKeyBits - empty_log2), empty_log2);
      continue;
    }
    path_.push(place);
  }
  return false;
}

std::unique_ptr<Cursor> Gpt::cursor(VirtRange range, CursorMode mode) {
  return std::make_unique<GptCursor>(*this, range, mode);
}

}  // namespace mmusim::pt::gpt
