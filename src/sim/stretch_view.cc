#include "sim/stretch_view.h"

#include <algorithm>

namespace mmusim::sim {

void StretchView::enter(const Stretch& stretch, Relocator* relocator, bool sets) {
  stretch_ = &stretch;
  moves_ = relocator != nullptr;
  const std::span<const Stretch::Part> parts = stretch.parts();
  const trace::Batch& front = parts.front().batch;
  events_.clear();
  if (relocator != nullptr && front.event != nullptr)
    relocator->event(front.thread, *front.event, events_);
  if (!stretch.is_sifted()) return;
  if (own_.size() < parts.size()) own_.resize(parts.size());
  if (relocator == nullptr) {
    for (size_t i = 0; i < parts.size(); ++i) {
      own_[i].known = parts[i].sifted->known(false);
      if (sets) own_[i].known_by_sets = parts[i].sifted->known(true);
    }
    return;
  }
  const RefTable& numbers = stretch.numbers();
  if (!numbers.is_of(of_)) table_.clear();
  of_ = numbers;
  relocator->pages(front.thread.pid, numbers.refs.subspan(table_.size()), table_);
  for (size_t i = 0; i < parts.size(); ++i)
    move(*parts[i].sifted, sets, own_[i]);
}

void StretchView::move(const Sifted& recorded, bool sets, Own& out) {
  if (recorded.run_begins) {
    sieve_.forget();
    kept_for_sets_ = 0;
  }
  const KeptRow& source = recorded.kept(false);
  const trace::NumberedRefs any(source.numbers, table_.data());
  out.known.begin(sieve_);
  if (sets) out.known_by_sets.begin(sieve_);
  sieve_.learn(any, false);
  if (!sets) return;
  KeptRow& kept = out.by_sets;
  kept.first = kept_for_sets_;
  kept.numbers.resize(any.size());
  kept.places.resize(any.size());
  const size_t count = for_sets(any, any.size(), sieve_, [&](size_t from, size_t to) {
    kept.numbers[to] = source.numbers[from];
    kept.places[to] = source.places[from];
  });
  kept.numbers.resize(count);
  kept.places.resize(count);
  kept_for_sets_ += count;
  segments_.make(kept.numbers, table_.size(), kept.segments);
}

std::span<const trace::Event> StretchView::events() const {
  if (moves_) return events_;
  const trace::Event* const event = stretch_->parts().front().batch.event;
  return {event, event != nullptr ? size_t{1} : size_t{0}};
}

void StretchView::give_events(MachineRun& run) const {
  for (const trace::Event& event : events()) {
    trace::Batch batch;
    batch.thread = stretch_->parts().front().batch.thread;
    batch.event = &event;
    run.take(batch);
  }
}

std::optional<KeptRefs> StretchView::kept(size_t part, bool sets) {
  const Sifted* const recorded = stretch_->parts()[part].sifted;
  if (recorded == nullptr) return std::nullopt;
  Own& own = own_[part];
  trace::KnownPages& known = sets ? own.known_by_sets : own.known;
  if (!moves_) return KeptRefs(recorded->kept(sets), stretch_->numbers(), known);
  const RefTable table{table_, of_.numberer, of_.serial};
  return KeptRefs(sets ? own.by_sets : recorded->kept(false), table, known);
}

}  // namespace mmusim::sim
