#include "sim/trace_pass.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/interrupt.h"
#include "sim/profile/profiler.h"

namespace mmusim::sim {

TracePass::TracePass(MachineRuns& runs, TraceSource& source, const TraceRoute& route,
                     const ReplayOptions& options)
    : runs_(runs),
      source_(source),
      route_(route),
      options_(options),
      all_(runs.size()),
      uses_(runs.size()),
      sifted_(runs.size(), trace::References::All) {
  std::iota(all_.begin(), all_.end(), size_t{0});
}

void TracePass::run(Looks& looks, const Look& look) {
  Way way{looks, look, RunLimit(route_.limit)};
  if (may_give_pages()) {
    by_chunks(way);
    return;
  }
  batches(
      all_, [this](trace::Batch& batch) { return source_.next(batch); }, way);
  for (StreamUse& use : uses_)
    use.chunks[static_cast<size_t>(trace::References::All)] = source_.reader().chunks_read();
}

// Page streams are for machines that see the turns of threads as they were recorded. Those that are
// to have them and cannot end here.
bool TracePass::may_give_pages() {
  if (route_.stream == StreamChoice::Full) return false;
  // Of a moved trace nobody knows how many events will come in front of run.limit.
  const bool by_chunks =
      route_.quantum == 0 && options_.profiler == nullptr &&
      (!route_.moved || (route_.moved->target.page >= trace::kBlockPage && route_.limit == 0));
  if (route_.stream == StreamChoice::Auto) return by_chunks;
  const bool whole = by_chunks && route_.limit == 0 && route_.warmup == 0 && route_.interval == 0;
  for (const size_t i : all_) {
    if (runs_[i] == nullptr || (whole && needed_by(i) != trace::References::All)) continue;
    runs_.attempt(i, [] {
      throw UsageError("run.stream",
                       "this run needs every reference of the trace, not only those of its page "
                       "streams",
                       "leave run.stream at auto");
    });
  }
  return whole;
}

// Each chunk for those who need the same of it, one kind after the other, from the same place on.
void TracePass::by_chunks(Way& way) {
  PagePass pages(runs_, source_);
  while (runs_.any() && !stopped_ && source_.next_chunk()) {
    std::array<Group, kKinds> groups;
    const bool cut = is_cut(way);
    for (const size_t i : all_) {
      if (runs_[i] == nullptr) continue;
      runs_.attempt(i, [&] {
        const auto kind = static_cast<size_t>(chosen(pages, i, cut));
        groups[kind].push_back(i);
        ++uses_[i].chunks[kind];
      });
    }
    const trace::Totals before = totals_;
    const Looks looks = way.looks;
    const RunLimit limit = way.limit;
    const auto several = std::count_if(groups.begin(), groups.end(),
                                       [](const Group& group) { return !group.empty(); }) > 1;
    const auto mark = several ? source_.mark() : nullptr;
    told_ = true;
    for (size_t kind = 0; kind < kKinds; ++kind) {
      if (groups[kind].empty()) continue;
      if (!told_) source_.go_back(mark);
      totals_ = before;
      way.looks = looks;
      way.limit = limit;
      stopped_ = false;
      const auto which = static_cast<trace::References>(kind);
      source_.begin(which);
      if (which == trace::References::All)
        batches(
            groups[kind], [&](trace::Batch& batch) { return source_.next_of_chunk(batch); }, way);
      else
        chunk_of_pages(groups[kind], which, pages, way);
      told_ = false;
    }
  }
}

// Whether counters are looked at, or the replay ends, within the chunk that is next.
bool TracePass::is_cut(const Way& way) const {
  const trace::Totals& chunk = source_.reader().chunk_totals();
  return way.looks.left(totals_.instructions) < chunk.instructions ||
         way.limit.left() < chunk.instructions + chunk.events;
}

// Where pages are moved, those that differ in the recording's sets may share one here.
trace::References TracePass::needed_by(size_t i) const {
  const trace::References needed = runs_[i]->needs();
  return route_.moved && needed == trace::References::Sets ? trace::References::Any : needed;
}

// What the machine is given of the chunk, which is cut or is not.
trace::References TracePass::chosen(PagePass& pages, size_t i, bool cut) {
  const trace::Reader& reader = source_.reader();
  const trace::References needed = cut ? trace::References::All : needed_by(i);
  trace::References offered = reader.offers(needed);
  if (offered != needed && reader.chunk_totals().blocks != 0) ++uses_[i].lacking;
  if (route_.stream == StreamChoice::Auto) {
    const bool could = reader.offers(needed_by(i)) != trace::References::All;
    if (!pages.pays(i)) offered = trace::References::All;
    pages.give(i, offered, could);
    return offered;
  }
  if (route_.stream == StreamChoice::Pages && offered != needed &&
      reader.chunk_totals().blocks != 0)
    throw Error(reader.path(), "a chunk has no page stream for such a first-level TLB",
                "mmusim trace prepare adds page streams where they take little; run.stream = auto "
                "does without");
  return offered;
}

// Batches as they come, cut where counters are looked at and where the replay ends.
void TracePass::batches(const Group& group, const BatchCut::Source& source, Way& way) {
  Stretch stretch(group.size() > 1 ? kTogether : 1);
  BatchCut cut;
  const auto next = [&](trace::Batch& batch, uint64_t most) {
    return cut.next(source, batch, most);
  };
  bool goes_on = false;
  while (runs_.any() && !stopped_) {
    if (!goes_on) choose_sifted(group, stretch);
    if (!stretch.next(next, way.limit, way.looks, totals_.instructions)) break;
    goes_on = stretch.goes_on();
    take(group, stretch);
    passed(group, stretch, way);
  }
}

void TracePass::chunk_of_pages(const Group& group, trace::References which, PagePass& pages,
                               Way& way) {
  Stretch stretch(group.size() > 1 ? kPagesTogether : 1);
  pages.enter_chunk(group, which);
  const auto next = [&](trace::Batch& batch, uint64_t /*most*/) {
    return source_.next_of_chunk(batch);
  };
  while (runs_.any() && stretch.next(next, way.limit, way.looks, totals_.instructions)) {
    pages.take(stretch);
    passed(group, stretch, way);
  }
}

void TracePass::passed(const Group& group, const Stretch& stretch, Way& way) {
  totals_ += stretch.totals();
  // The totals of a page stream's batch are those of the run it begins.
  const bool there = !stretch.parts().back().batch.of_pages || !stretch.goes_on();
  if (there && way.looks.due(totals_.instructions)) {
    const bool begins = !way.looks.left_out();
    way.looks.made(totals_.instructions);
    way.look(group);
    if (begins && options_.profiler != nullptr && runs_.any()) options_.profiler->forget();
  }
  stopped_ = there && way.limit.reached();
  check_interrupt();
  if (stopped_ || !told_ || !options_.progress) return;
  const trace::Reader& reader = source_.reader();
  options_.progress(
      {totals_.references(), totals_.instructions, reader.position(), reader.file_bytes()});
}

// By machine, what of the batches to come it is given. Looking through them for what matters takes
// as long as all references take two machines.
void TracePass::choose_sifted(const Group& group, Stretch& stretch) {
  constexpr size_t kPays = 3;
  std::array<size_t, kKinds> wanted{};
  for (const size_t i : group) {
    if (runs_[i] == nullptr) continue;
    sifted_[i] = runs_[i]->sifts();
    ++wanted[static_cast<size_t>(sifted_[i])];
  }
  size_t any = wanted[static_cast<size_t>(trace::References::Any)];
  size_t sets = wanted[static_cast<size_t>(trace::References::Sets)];
  if (any + sets < kPays && options_.mode != ReplayMode::Sifted) {
    any = sets = 0;
    for (const size_t i : group)
      sifted_[i] = trace::References::All;
  }
  stretch.want_sifted(any != 0, sets != 0);
}

// All of the stretch by one machine, then by the next, so that what a machine is made of is in the
// host's caches for some time.
void TracePass::take(const Group& group, const Stretch& stretch) {
  for (const size_t i : group) {
    for (const Stretch::Part& part : stretch.parts()) {
      if (runs_[i] == nullptr) break;
      runs_.attempt(i, [&] {
        if (part.sifted != nullptr && sifted_[i] != trace::References::All)
          runs_[i]->take_sifted(part.batch, *part.sifted, sifted_[i] == trace::References::Sets);
        else
          runs_[i]->take(part.batch);
      });
    }
    check_interrupt();
  }
}

}  // namespace mmusim::sim
