#include "sim/page_pass.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/interrupt.h"

namespace mmusim::sim {

void PagePass::enter_chunk(std::span<const size_t> group, trace::References given) {
  group_ = group;
  sets_ = given == trace::References::Sets;
  columns_.enter_chunk(given);
  damage_ = nullptr;
  for (State& state : states_)
    state.waits = false;
}

bool PagePass::pays(size_t i) {
  State& state = states_[i];
  const MachineRun& run = *runs_[i];
  if (state.had_pages) {
    if (state.late) state.wanted = kBehindLate;
    state.in_a_row = 0;
    return !state.late;
  }
  if (state.had_columns) {
    state.in_a_row = run.needs_all() ? 0 : state.in_a_row + 1;
  } else {
    state.wanted = run.seldom_waits() ? 0 : 1;
  }
  return state.in_a_row >= state.wanted;
}

void PagePass::give(size_t i, trace::References given, bool could) {
  State& state = states_[i];
  MachineRun& run = *runs_[i];
  state.had_pages = given != trace::References::All;
  state.had_columns = !state.had_pages;
  state.late = false;
  // All that is asked is whether few of the columns would do.
  const uint64_t few = reader_.chunk_totals().instructions / kFew;
  run.survey(state.had_columns && !run.seldom_waits() && could ? std::optional(few) : std::nullopt);
}

void PagePass::take(const Stretch& stretch) {
  for (TraceView& view : views_.all())
    if (views_.has_any(group_, view))
      views_.attempt(group_, view, [&] { view.enter(view.pages, stretch, false); });
  for (const size_t i : group_) {
    states_[i].part = 0;
    if (!states_[i].waits) go_on(i, stretch);
    check_interrupt();
  }
  while (true) {
    if (columns_.number() != 0 && damage_ == nullptr)
      for (const size_t i : group_)
        give_columns(i, stretch);
    const bool any = std::any_of(group_.begin(), group_.end(),
                                 [&](size_t i) { return runs_[i] != nullptr && states_[i].waits; });
    if (!any || (damage_ == nullptr && columns_reach_end(stretch))) return;
    check_interrupt();
    next_columns();
  }
}

void PagePass::next_columns() {
  try {
    if (damage_ == nullptr) columns_.next();
  } catch (const Error& error) {
    if (is_interruption(error)) throw;
    damage_ = std::current_exception();
  }
  if (damage_ == nullptr) return;
  for (const size_t i : group_)
    if (runs_[i] != nullptr && states_[i].waits)
      runs_.attempt(i, [&] { std::rethrow_exception(damage_); });
}

void PagePass::go_on(size_t i, const Stretch& stretch) {
  State& state = states_[i];
  for (; state.part < stretch.parts().size() && !state.waits; ++state.part) {
    if (runs_[i] == nullptr) return;
    runs_.attempt(i, [&] { take_part(i, stretch); });
    if (state.waits) return;
  }
}

void PagePass::take_part(size_t i, const Stretch& stretch) {
  State& state = states_[i];
  StretchView& view = views_.of(i).pages;
  const trace::Batch& batch = stretch.parts()[state.part].batch;
  if (batch.of_pages)
    state.waits = !runs_[i]->take_pages(batch, view.kept(state.part, sets_), sets_);
  else
    view.give_events(*runs_[i]);
}

// The batch that is there, if the machine waits for it.
void PagePass::give_columns(size_t i, const Stretch& stretch) {
  State& state = states_[i];
  if (runs_[i] == nullptr || !state.waits || !columns_.have(runs_[i]->wanted())) return;
  if (is_late(columns_.blocks())) state.late = true;
  TraceView& view = views_.of(i);
  runs_.attempt(i, [&] {
    state.waits = !runs_[i]->take_columns(columns_.moved(view.relocator.get()),
                                          stretch.parts()[state.part].batch,
                                          view.pages.kept(state.part, sets_), sets_);
  });
  if (runs_[i] == nullptr || state.waits) return;
  ++state.part;
  go_on(i, stretch);
}

// A run of blocks may go on behind the last reference that is kept of it.
bool PagePass::columns_reach_end(const Stretch& stretch) const {
  const trace::Batch& last = stretch.parts().back().batch;
  if (columns_.kept() < last.first_page + last.pages.size()) return false;
  return last.goes_on || !columns_.recorded().goes_on;
}

}  // namespace mmusim::sim
