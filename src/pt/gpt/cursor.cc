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
  if (empty_leaf || gpt_.most_array() == 0) {
    status_ = build_one_by_one(first, last_in(std::min(void_log2, page + policy.widest)));
  } else {
    // The largest block whose array would be worth its slots.
    unsigned log2 = page;
    for (unsigned next = page + 1; next <= std::min(void_log2, page + gpt_.most_array()); ++next) {
      const uint64_t used = ((last_in(next) - first) >> page) + 1;
      if (used * 100 >= uint64_t{policy.inflate} << (next - page)) log2 = next;
    }
    status_ = gpt_.ensure_pages(first, last_in(log2), log2);
  }
  if (status_ != Status::Ok) done_ = true;
  restart();
}

// The run that begins with the leaf `e` at `place`.
void GptCursor::take_run(const Place& place, const GuardedEntry& e, Run& run) {
  const unsigned log2 = kKeyBits - e.length();
  const unsigned replicas_log2 = place.replicas_log2(e);
  const uint64_t group = kEntryBytes << replicas_log2;
  const Table table = gpt_.tables_.at(PhysAddr(place.address.value() & ~(group - 1)));
  const uint64_t begin = place.base_of(e);
  uint32_t count = 1;
  if (!place.top && !place.in_line && e.length() <= place.consumed) {
    const GuardedEntry above = path_.back().load();
    const uint64_t slot = (table.address - above.address()) / kEntryBytes;
    const uint64_t room =
        std::min((above.slots() - slot) >> replicas_log2, ((last_ - begin) >> log2) + 1);
    const auto next = [&] { return table.get(uint64_t{count} << replicas_log2); };
    while (count < room && next().is(Kind::Leaf) && next().length() == e.length())
      ++count;
  }
  run = gpt_.run_of(table, 0, count, e, place);
  finish_run(begin, log2, count);
}

void GptCursor::take_array(const Place& place, const GuardedEntry& e, Run& run) {
  const unsigned page = gpt_.page_.log2();
  const uint64_t first = gpt_.tables_.page_in_array(position_, e);
  const uint64_t begin = place.base_of(e) + (first << page);
  const uint64_t count =
      std::min((uint64_t{1} << gpt_.tables_.pages_log2(e)) - first, ((last_ - begin) >> page) + 1);
  run = gpt_.run_of_array(gpt_.tables_.below(e), first, static_cast<uint32_t>(count), e, place);
  finish_run(begin, page, static_cast<uint32_t>(count));
}

void GptCursor::finish_run(uint64_t begin, unsigned log2, uint32_t count) {
  const uint64_t last = begin + (uint64_t{count - 1} << log2);
  if (mode_ == CursorMode::Zap && gpt_.rules_->policy.eager) {
    has_run_ = true;
    run_first_ = begin;
    run_last_ = last_of(last, log2);
  }
  pass(last, log2);
}

bool GptCursor::next(Run& run) {
  settle_run();
  const bool build = mode_ == CursorMode::Build;
  // Of the void around the position.
  const auto over_void = [&](unsigned log2) {
    if (build)
      this->build(log2);
    else
      pass(leading(position_, kKeyBits - log2), log2);
  };
  while (!done_) {
    // Up to the lowest entry passed below which the position lies.
    while (path_.size() != 0) {
      const Place& above = path_.back();
      const GuardedEntry e = above.load();
      if (leading(position_, e.length()) == above.base_of(e)) break;
      path_.pop();
    }
    Place place = gpt_.root_;
    if (path_.size() != 0) {
      const Place& parent = path_.back();
      const GuardedEntry above = parent.load();
      if (above.is(Kind::Shared)) {
        place = gpt_.tables_.shared_root_of(parent, above);
      } else if (above.is_line()) {
        const Tables::Searched searched =
            gpt_.tables_.search(above, parent.local(position_), kKeyBits);
        gpt_.tables_.read_line(parent, above, searched.looked_at);
        if (!searched.entry) {
          over_void(kKeyBits - searched.common - 1);
          continue;
        }
        place = gpt_.tables_.entry_of_line(parent, above, *searched.entry);
      } else {
        place = gpt_.tables_.slot_of(parent, above, position_);
      }
    }

    const GuardedEntry e = place.load();
    const bool agrees = !e.is(Kind::Invalid) && e.matches(place.local(position_));
    if (e.is(Kind::Leaf) && agrees) {
      const unsigned log2 = kKeyBits - e.length();
      if (!build && gpt_.stands_for_nothing(e)) {
        static_cast<void>(gpt_.tables_.read(place));
        over_void(log2);
        continue;
      }
      if (!build || !e.is_empty_leaf() || log2 == gpt_.page_.log2()) {
        take_run(place, e, run);
        return true;
      }
      this->build(log2, true);
      continue;
    }
    static_cast<void>(gpt_.tables_.read(place));
    if (e.is(Kind::Array) && agrees) {
      take_array(place, e, run);
      return true;
    }
    if (e.is(Kind::Invalid))
      over_void(kKeyBits - place.consumed);
    else if (!agrees)  // what it leads to lies before the position, or is met when this is passed
      over_void(kKeyBits - e.common_with(place.local(position_)) - 1);
    else
      path_.push(place);
  }
  return false;
}

std::unique_ptr<Cursor> Gpt::cursor(VirtRange range, CursorMode mode) {
  return std::make_unique<GptCursor>(*this, range, mode);
}

}  // namespace mmusim::pt::gpt
