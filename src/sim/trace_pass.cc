#include "sim/trace_pass.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/interrupt.h"
#include "sim/profile/profiler.h"
#include "sim/stretch_feed.h"

namespace mmusim::sim {

TracePass::TracePass(MachineRuns& runs, std::span<const TraceRoute> routes,
                     const ReplayOptions& options)
    : runs_(runs),
      route_(options.profiler == nullptr ? source_of(routes.front()) : routes.front()),
      options_(options),
      source_(route_, options.read_ahead),
      views_(runs),
      all_(runs.size()),
      uses_(runs.size()),
      sifted_(runs.size(), trace::References::All),
      joined_(runs.size()) {
  std::iota(all_.begin(), all_.end(), size_t{0});
  std::vector<const TraceRoute*> seen;
  for (const size_t i : all_) {
    const auto same = std::find_if(seen.begin(), seen.end(),
                                   [&](const TraceRoute* route) { return *route == routes[i]; });
    views_.add(static_cast<size_t>(same - seen.begin()));
    if (same == seen.end()) {
      seen.push_back(&routes[i]);
      TraceView& view = views_.of(i);
      if (routes[i].moved && !route_.moved) {
        view.relocator = std::make_unique<Relocator>(*routes[i].moved);
        view.page = routes[i].moved->target.page;
      }
    }
  }
}

bool TracePass::can_share(const TraceRoute& a, const TraceRoute& b) {
  return a == b || (moves_late(a) && a.as_recorded() == b.as_recorded());
}

// Of a moved trace nobody knows how many events will come in front of run.limit, and a profile asks
// the source for where the recording had what a machine accesses.
bool TracePass::moves_late(const TraceRoute& route) {
  return route.limit == 0 && route.quantum == 0;
}

trace::Totals TracePass::totals(size_t i) const {
  trace::Totals totals = totals_;
  totals.events = views_.of(i).events;
  return totals;
}

void TracePass::report_relocation(size_t i, stats::Report& report) const {
  const TraceView& view = views_.of(i);
  if (view.relocator != nullptr)
    sim::report_relocation(true, view.relocator->counters(), report);
  else
    source_.report(report);
}

// Those that next(bool) gives, which is told whether a run of blocks or an event begins, up to
// null.
template <class Next>
void TracePass::stretches(const Group& group, Next next, Way& way) {
  bool goes_on = false;
  while (runs_.any() && !stopped_) {
    const Stretch* const stretch = next(!goes_on);
    if (stretch == nullptr) break;
    if (!goes_on) choose_sifted(group, *stretch);
    goes_on = stretch->goes_on();
    take(group, *stretch);
    passed(group, *stretch, way);
  }
}

void TracePass::run(Looks& looks, const Look& look) {
  Way way{looks, look, RunLimit(route_.limit)};
  const bool whole_chunks = goes_by_chunks(route_) && options_.profiler == nullptr;
  if (route_.stream == StreamChoice::Pages) require_pages(whole_chunks);
  if (whole_chunks) {
    by_chunks(way);
    return;
  }
  batches(
      all_, [this](trace::Batch& batch) { return source_.next(batch); }, way);
  for (StreamUse& use : uses_)
    use.chunks[static_cast<size_t>(trace::References::All)] = source_.reader().chunks_read();
}

// Those that are to have page streams and need more, or cannot end there, come to nothing.
void TracePass::require_pages(bool whole_chunks) {
  const bool whole =
      whole_chunks && route_.limit == 0 && route_.warmup == 0 && route_.interval == 0;
  for (const size_t i : all_) {
    if (runs_[i] == nullptr || (whole && needed_by(i) != trace::References::All)) continue;
    runs_.attempt(i, [] {
      throw UsageError("run.stream",
                       "this run needs every reference of the trace, not only those of its page "
                       "streams",
                       "leave run.stream at auto");
    });
  }
}

// Views as they are at a chunk's begin: of those only that several legs take through it, as to keep
// one is to copy all of its address spaces.
class TracePass::Marks {
 public:
  void keep(const TraceView& view) {
    Mark& mark = marks_[&view];
    mark.events = view.events;
    if (view.relocator != nullptr) mark.relocator = std::make_unique<Relocator>(*view.relocator);
  }
  // A leg begins: it is at the chunk's begin then.
  void enter(TraceView& view) {
    const auto kept = marks_.find(&view);
    if (kept == marks_.end() || !std::exchange(kept->second.entered, true)) return;
    const Mark& mark = kept->second;
    view.events = mark.events;
    if (mark.relocator != nullptr) view.relocator = std::make_unique<Relocator>(*mark.relocator);
  }

 private:
  struct Mark {
    std::unique_ptr<Relocator> relocator;
    uint64_t events = 0;
    bool entered = false;
  };
  std::map<const TraceView*, Mark> marks_;
};

// What of a chunk is gone through, and for whom.
std::vector<TracePass::Leg> TracePass::legs_of_chunk(PagePass& pages, bool cut) {
  std::vector<Leg> legs;
  for (const size_t i : all_) {
    if (runs_[i] == nullptr) continue;
    runs_.attempt(i, [&] {
      const trace::References which = chosen(pages, i, cut);
      ++uses_[i].chunks[static_cast<size_t>(which)];
      const auto same = std::find_if(legs.begin(), legs.end(),
                                     [&](const Leg& leg) { return leg.which == which; });
      Leg& leg = same != legs.end() ? *same : legs.emplace_back(Leg{which, {}});
      leg.machines.push_back(i);
    });
  }
  return legs;
}

// What a page stream keeps for any first level is what is kept of batches of blocks. Where that is
// worked out for other machines anyway, and the columns decoded, those with page streams can have
// it, too; each as if it had these, by what it counts.
void TracePass::join(std::vector<Leg>& legs) {
  for (Joined& joined : joined_)
    joined = {};
  const auto leg_of = [&](trace::References which) {
    return std::find_if(legs.begin(), legs.end(),
                        [&](const Leg& leg) { return leg.which == which; });
  };
  const auto whole = leg_of(trace::References::All);
  const auto any = leg_of(trace::References::Any);
  if (any == legs.end() || whole == legs.end()) return;
  const bool sifts = std::any_of(whole->machines.begin(), whole->machines.end(), [&](size_t i) {
    return runs_[i] != nullptr && runs_[i]->sifts() != trace::References::All;
  });
  if (!sifts) return;
  // Asked last, as it makes the feed sift for it.
  if (options_.seat != nullptr && !options_.seat->gives_any(chunk_)) return;
  source_.reader().believe_page_streams();
  for (const size_t i : any->machines) {
    if (runs_[i] == nullptr) continue;
    joined_[i].is = true;
    runs_[i]->stand_for_pages(true);
    whole->machines.push_back(i);
  }
  std::sort(whole->machines.begin(), whole->machines.end());
  legs.erase(any);
}

// Says what it wants of the chunk of the feed's, if there is one.
void TracePass::come(const std::vector<Leg>& legs, bool cut) {
  if (options_.seat == nullptr) return;
  const auto whole = std::find_if(
      legs.begin(), legs.end(), [](const Leg& leg) { return leg.which == trace::References::All; });
  if (cut || whole == legs.end())
    options_.seat->pass(chunk_);
  else
    options_.seat->want(chunk_, sifting_of(whole->machines));
}

// One leg after the other, from the same place on.
void TracePass::by_chunks(Way& way) {
  PagePass pages(runs_, source_, views_);
  for (chunk_ = 0; runs_.any() && !stopped_ && source_.next_chunk(); ++chunk_) {
    const bool cut = is_cut(way);
    std::vector<Leg> legs = legs_of_chunk(pages, cut);
    join(legs);
    come(legs, cut);
    const trace::Totals before = totals_;
    const Looks looks = way.looks;
    const RunLimit limit = way.limit;
    Marks marks;
    for (const TraceView& view : views_.all())
      if (std::count_if(legs.begin(), legs.end(),
                        [&](const Leg& leg) { return views_.has_any(leg.machines, view); }) > 1)
        marks.keep(view);
    told_ = true;
    for (const Leg& leg : legs) {
      totals_ = before;
      way.looks = looks;
      way.limit = limit;
      stopped_ = false;
      const bool of_feed = options_.seat != nullptr && !cut && leg.which == trace::References::All;
      if (of_feed)
        source_.reader().pass();
      else
        source_.begin(leg.which);
      for (TraceView& view : views_.all())
        if (views_.has_any(leg.machines, view)) marks.enter(view);
      if (of_feed)
        stretches(
            leg.machines, [&](bool /*begins*/) { return options_.seat->next(); }, way);
      else if (leg.which == trace::References::All)
        batches(
            leg.machines, [&](trace::Batch& batch) { return source_.next_of_chunk(batch); }, way);
      else
        chunk_of_pages(leg, pages, way);
      told_ = false;
    }
    for (const size_t i : all_) {
      if (!joined_[i].is || runs_[i] == nullptr) continue;
      runs_[i]->stand_for_pages(false);
      pages.would_read(i, joined_[i].read);
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
  const TraceView& view = views_.of(i);
  if (view.relocator == nullptr) return needed;
  if (view.page < trace::kBlockPage) return trace::References::All;
  return needed == trace::References::Sets ? trace::References::Any : needed;
}

// What the machine is given of the chunk, which is cut or is not.
trace::References TracePass::chosen(PagePass& pages, size_t i, bool cut) {
  const trace::Reader& reader = source_.reader();
  const bool may = route_.stream != StreamChoice::Full;
  const trace::References needed = cut || !may ? trace::References::All : needed_by(i);
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
  maker_.enter(group.size() > 1 ? kTogether : StretchMaker::Most{});
  BatchCut cut;
  const auto next = [&](trace::Batch& batch, uint64_t most) {
    return cut.next(source, batch, most);
  };
  const auto made = [&](bool begins) -> const Stretch* {
    if (begins) maker_.want_sifted(sifting_of(group).wanted(options_.mode == ReplayMode::Sifted));
    slots_.clear();
    const bool some =
        maker_.make(stretch_, slots_, next, way.limit, way.looks, totals_.instructions);
    return some ? &stretch_ : nullptr;
  };
  stretches(group, made, way);
}

void TracePass::chunk_of_pages(const Leg& leg, PagePass& pages, Way& way) {
  const bool moved = views_.of(leg.machines.front()).relocator != nullptr;
  const bool shared = leg.machines.size() > 1;
  const bool any = leg.which == trace::References::Any;
  maker_.enter(shared ? kPagesTogether : StretchMaker::Most{});
  // One machine alone can do with what the page stream says as it is; and so can all that have what
  // is for sets, which lies nowhere else: to number that gained nothing, and took 30 MB of 64
  // machines.
  if (any && (shared || moved)) maker_.want_sifted({.any = true, .sets = false});
  pages.enter_chunk(leg.machines, leg.which);
  const auto next = [&](trace::Batch& batch, uint64_t /*most*/) {
    return source_.next_of_chunk(batch);
  };
  while (runs_.any()) {
    slots_.clear();
    if (!maker_.make(stretch_, slots_, next, way.limit, way.looks, totals_.instructions)) break;
    pages.take(stretch_);
    passed(leg.machines, stretch_, way);
  }
}

void TracePass::passed(const Group& group, const Stretch& stretch, Way& way) {
  totals_ += stretch.totals();
  way.limit.add(stretch.totals().instructions, stretch.totals().events);
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

// Where they are moved, pages have other numbers, so that what sets need is told there.
Sifting TracePass::sifting_of(const Group& group) const {
  Sifting sifting;
  for (const size_t i : group) {
    if (runs_[i] == nullptr || runs_[i]->sifts() == trace::References::All) continue;
    const bool by_sets = runs_[i]->sifts() == trace::References::Sets && !joined_[i].is &&
                         views_.of(i).relocator == nullptr;
    ++(by_sets ? sifting.by_sets : sifting.others);
  }
  return sifting;
}

// By machine, what of the stretch, and of those that go on from it, it is given.
void TracePass::choose_sifted(const Group& group, const Stretch& stretch) {
  const Sifter::Wanted there = stretch.sifted();
  const size_t sets_pay = options_.mode == ReplayMode::Sifted ? 1 : Sifting::kSetsPay;
  std::map<const TraceView*, size_t> with_sets;
  for (const size_t i : group) {
    sifted_[i] = runs_[i] == nullptr ? trace::References::All : runs_[i]->sifts();
    if (joined_[i].is && runs_[i] != nullptr) sifted_[i] = trace::References::Any;
    if (sifted_[i] == trace::References::Sets) ++with_sets[&views_.of(i)];
  }
  for (const size_t i : group) {
    if (sifted_[i] == trace::References::All) continue;
    const bool moved = views_.of(i).relocator != nullptr;
    const bool sets = moved ? there.any && with_sets[&views_.of(i)] >= sets_pay : there.sets;
    if (sifted_[i] == trace::References::Sets && sets) continue;
    sifted_[i] = there.any ? trace::References::Any : trace::References::All;
  }
}

void TracePass::take(const Group& group, const Stretch& stretch) {
  for (TraceView& view : views_.all())
    if (views_.has_any(group, view))
      views_.attempt(group, view, [&] { take(group, view, stretch); });
}

// All of the stretch by one machine, then by the next, so that what a machine is made of is in the
// host's caches for some time.
void TracePass::take(const Group& group, TraceView& view, const Stretch& stretch) {
  Group whole;
  Group some;
  bool sets = false;
  for (const size_t i : group) {
    if (&views_.of(i) != &view || runs_[i] == nullptr) continue;
    (sifted_[i] == trace::References::All ? whole : some).push_back(i);
    sets = sets || sifted_[i] == trace::References::Sets;
  }
  StretchView& here = view.blocks;
  view.enter(here, stretch, sets);
  const std::span<const Stretch::Part> parts = stretch.parts();
  if (parts.front().batch.event != nullptr) {
    for (const Group* machines : {&whole, &some})
      for (const size_t i : *machines)
        runs_.attempt(i, [&] { here.give_events(*runs_[i]); });
    return;
  }
  take_whole(whole, view, stretch);
  for (const size_t i : some) {
    const bool by_sets = sifted_[i] == trace::References::Sets;
    runs_.attempt(i, [&] {
      for (size_t n = 0; n < parts.size(); ++n) {
        runs_[i]->take_sifted(
            {parts[n].batch, *parts[n].sifted, *here.kept(n, by_sets), view.relocator.get()},
            by_sets);
        if (joined_[i].is) joined_[i].took(parts[n].batch, *runs_[i]);
      }
    });
    check_interrupt();
  }
}

// Where all of a batch is moved it is there until the next one is.
void TracePass::take_whole(const Group& whole, const TraceView& view, const Stretch& stretch) {
  const auto take = [&](size_t i, const trace::Batch& batch) {
    if (runs_[i] != nullptr) runs_.attempt(i, [&] { runs_[i]->take(batch); });
  };
  const std::span<const Stretch::Part> parts = stretch.parts();
  if (view.relocator == nullptr) {
    for (const size_t i : whole)
      for (const Stretch::Part& part : parts)
        take(i, part.batch);
  } else if (!whole.empty()) {
    for (const Stretch::Part& part : parts) {
      const trace::Batch columns = view.relocator->references(part.batch);
      for (const size_t i : whole)
        take(i, columns);
    }
  }
  check_interrupt();
}

}  // namespace mmusim::sim
