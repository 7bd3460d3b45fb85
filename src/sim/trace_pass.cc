#include "sim/trace_pass.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/interrupt.h"
#include "sim/batch_cut.h"
#include "sim/profile/profiler.h"
#include "sim/run_limit.h"

namespace mmusim::sim {

TracePass::TracePass(MachineRuns& runs, TraceSource& source, const TraceRoute& route,
                     const ReplayOptions& options)
    : runs_(runs),
      source_(source),
      route_(route),
      options_(options),
      all_(runs.size()),
      chunks_(runs.size()),
      sifted_(runs.size(), trace::References::All) {
  std::iota(all_.begin(), all_.end(), size_t{0});
}

void TracePass::run(Looks& looks, const std::function<void()>& look) {
  if (may_give_pages())
    by_chunks();
  else
    as_they_come(looks, look);
}

// Page streams are for machines that see the whole trace as it was recorded. Those that are to have
// them and cannot end here.
bool TracePass::may_give_pages() {
  if (route_.stream == StreamChoice::Full) return false;
  const bool whole = !route_.moved && route_.limit == 0 && route_.quantum == 0 &&
                     route_.warmup == 0 && route_.interval == 0 && options_.profiler == nullptr;
  if (route_.stream == StreamChoice::Auto) return whole;
  for (const size_t i : all_) {
    if (runs_[i] == nullptr || (whole && runs_[i]->needs() != trace::References::All)) continue;
    runs_.attempt(i, [] {
      throw UsageError("run.stream",
                       "this run needs every reference of the trace, not only those of its page "
                       "streams",
                       "leave run.stream at auto");
    });
  }
  return whole;
}

void TracePass::as_they_come(Looks& looks, const std::function<void()>& look) {
  RunLimit limit(route_.limit);
  Stretch stretch(runs_.size() > 1 ? kTogether : 1);
  BatchCut cut;
  const auto next = [this, &cut](trace::Batch& batch, uint64_t most) {
    return cut.next(source_, batch, most);
  };
  bool goes_on = false;
  while (runs_.any()) {
    if (!goes_on) choose_sifted(all_, stretch);
    if (!stretch.next(next, limit, looks, totals_.instructions)) break;
    goes_on = stretch.goes_on();
    take(all_, stretch);
    totals_ += stretch.totals();
    if (looks.due(totals_.instructions)) {
      const bool begins = !looks.left_out();
      looks.made(totals_.instructions);
      look();
      if (begins && options_.profiler != nullptr && runs_.any()) options_.profiler->forget();
    }
    stopped_ = limit.reached();
    if (stopped_) break;
    between_stretches();
  }
  for (auto& chunks : chunks_)
    chunks[static_cast<size_t>(trace::References::All)] = source_.reader().chunks_read();
}

// Each chunk for those who need the same of it, one kind after the other.
void TracePass::by_chunks() {
  trace::Reader& reader = source_.reader();
  PagePass pages(runs_, reader);
  while (runs_.any() && reader.next_chunk()) {
    std::array<std::vector<size_t>, kKinds> groups;
    for (const size_t i : all_) {
      if (runs_[i] == nullptr) continue;
      runs_.attempt(i, [&] {
        const auto kind = static_cast<size_t>(chosen(pages, i));
        groups[kind].push_back(i);
        ++chunks_[i][kind];
      });
    }
    bool counted = true;  // by the first
    for (size_t kind = 0; kind < kKinds; ++kind) {
      if (groups[kind].empty()) continue;
      const auto which = static_cast<trace::References>(kind);
      reader.begin(which);
      if (which == trace::References::All)
        chunk_of_columns(groups[kind], counted);
      else
        chunk_of_pages(groups[kind], which, pages, counted);
      counted = false;
    }
  }
}

// What the machine is given of the chunk.
trace::References TracePass::chosen(const PagePass& pages, size_t i) const {
  const trace::Reader& reader = source_.reader();
  const trace::References needed = runs_[i]->needs();
  if (route_.stream == StreamChoice::Auto && !pages.pays(i)) return trace::References::All;
  const trace::References offered = reader.offers(needed);
  if (route_.stream == StreamChoice::Pages && offered != needed &&
      reader.chunk_totals().blocks != 0)
    throw Error(reader.path(), "a chunk has no page stream for such a first-level TLB",
                "mmusim trace prepare adds page streams where they take little; run.stream = auto "
                "does without");
  return offered;
}

void TracePass::chunk_of_columns(const std::vector<size_t>& group, bool counted) {
  Stretch stretch(group.size() > 1 ? kTogether : 1);
  choose_sifted(group, stretch);
  chunk(stretch, counted, [&] { take(group, stretch); });
}

void TracePass::chunk_of_pages(const std::vector<size_t>& group, trace::References which,
                               PagePass& pages, bool counted) {
  Stretch stretch(group.size() > 1 ? kPagesTogether : 1);
  pages.enter_chunk(group, which);
  chunk(stretch, counted, [&] { pages.take(stretch); });
}

template <class Take>
void TracePass::chunk(Stretch& stretch, bool counted, Take take) {
  const auto next = [this](trace::Batch& batch) { return source_.reader().next_of_chunk(batch); };
  while (runs_.any() && stretch.next(next)) {
    take();
    if (counted) totals_ += stretch.totals();
    between_stretches();
  }
}

void TracePass::between_stretches() const {
  check_interrupt();
  const trace::Reader& reader = source_.reader();
  if (options_.progress)
    options_.progress(
        {totals_.references(), totals_.instructions, reader.position(), reader.file_bytes()});
}

// By machine, what of the batches to come it is given. Looking through them for what matters pays
// where several need not do the rest.
void TracePass::choose_sifted(const std::vector<size_t>& group, Stretch& stretch) {
  constexpr size_t kPays = 2;
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
void TracePass::take(const std::vector<size_t>& group, const Stretch& stretch) {
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
