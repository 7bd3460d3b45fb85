#include "sim/relocation/trace_source.h"

#include "base/error.h"
#include "config/keys.h"
#include "kernel/settings.h"
#include "sim/run_options.h"

namespace mmusim::sim {

namespace {

// The end of user space on the machine a trace was recorded on.
VirtAddr source_top(const trace::Header& header) {
  if (header.isa == "x86_64") return VirtAddr(uint64_t{1} << 47);
  if (header.isa == "i386") return VirtAddr(0xffff'e000);  // on a 64-bit kernel; else 0xc0000000
  if (header.isa == "arm") return VirtAddr(uint64_t{1} << 32);  // with its page of helpers
  if (header.isa == "ppc64" || header.isa == "ppc64le") return VirtAddr(uint64_t{1} << 46);
  if (header.isa == "aarch64") return VirtAddr(uint64_t{1} << 48);
  if (header.isa == "alpha") return VirtAddr(uint64_t{1} << 42);
  // IA-64 has region 4 begin at 2^63; elsewhere the upper half is the kernel's or a hole's end.
  return VirtAddr(header.isa == "ia64" ? uint64_t{5} << 61 : uint64_t{1} << 63);
}

trace::Reader open_trace(const TraceRoute& route, bool read_ahead = false,
                         bool keeps_tables = false) {
  return trace::Reader(
      route.trace,
      {.accept_torn = route.accept_torn, .read_ahead = read_ahead, .keeps_tables = keeps_tables});
}

}  // namespace

TraceRoute TraceRoute::of(const config::Config& config, const char* arch,
                          const mmu::AddressLayout& layout, std::optional<PageShift> huge) {
  const RunOptions run = RunOptions::from(config);
  TraceRoute route{.trace = run.trace,
                   .accept_torn = run.accept_torn,
                   .limit = run.limit,
                   .warmup = run.warmup,
                   .interval = run.interval,
                   .quantum = run.quantum,
                   .stream = run.stream,
                   .moved = {},
                   .narrow = {}};
  const trace::Header header = open_trace(route).header();
  const bool differs = header.isa != arch || header.page != layout.page;
  const VirtAddr end = source_top(header);
  if (run.relocate == Relocate::Off || (run.relocate == Relocate::Auto && !differs)) {
    if (layout.top < align_down(end, layout.page) - AddressMap::kWindow.bytes())
      route.narrow = {.source_top = end, .top = layout.top, .arch = arch};
    return route;
  }
  if (header.page.log2() > AddressMap::kWindow.log2() || header.page > layout.page) {
    throw Error(run.trace,
                fmt::format("recorded with pages of {} bytes, which this machine's of {} cannot "
                            "stand for",
                            header.page.bytes(), layout.page.bytes()),
                "replay it as recorded with run.relocate = off");
  }
  const kernel::Settings kernel = kernel::Settings::keys().read(config);
  route.moved = RelocationSides{
      end, header.page, layout, kernel.aslr_bits, kernel.aslr_seed, huge, kernel.special_pages};
  return route;
}

void TraceSource::require_named(const config::Config& config) {
  if (RunOptions::from(config).trace.empty())
    throw UsageError("run.trace", "no trace is named",
                     "give one on the command line, or run.trace in the config");
}

TraceSource::TraceSource(const TraceRoute& route, bool read_ahead, bool keeps_tables)
    : reader_(open_trace(route, read_ahead, keeps_tables)), narrow_(route.narrow) {
  if (route.quantum != 0)
    slices_ = std::make_unique<TimeSlices>(route.quantum,
                                           [this](trace::Batch& batch) { return recorded(batch); });
  if (route.moved) relocator_ = std::make_unique<Relocator>(*route.moved);
}

void TraceSource::require_reach(const trace::Batch& batch) const {
  const auto check = [&](VirtAddr va) {
    if (va < narrow_->top || va >= narrow_->source_top) [[likely]]
      return;
    throw Error(reader_.path(),
                fmt::format("goes to {:#x}, but the user addresses of {} end at {:#x}", va.value(),
                            narrow_->arch, narrow_->top.value()),
                "move it to where it fits with run.relocate = force");
  };
  for (const trace::PageRef ref : batch.pages)
    check(ref.page());
  for (const uint32_t number : batch.blocks)
    check(batch.table[number].start);
  for (uint64_t i = 0; i < batch.totals.data_accesses() && !batch.of_pages; ++i)
    check(VirtAddr(batch.addresses[i]));
}

void TraceSource::hear_it(const trace::Batch& batch) {
  if (slices_ == nullptr)
    listener_->recorded(batch.thread, *batch.event);
  else
    kept_.emplace_back(batch.thread, *batch.event);
}

void TraceSource::tell_kept() {
  for (const auto& [thread, event] : kept_)
    listener_->recorded(thread, event);
  kept_.clear();
}

bool TraceSource::next_relocated(trace::Batch& batch, NextOfReader step) {
  while (next_event_ == events_.size()) {
    if (!(reader_.*step)(batch)) return false;
    if (batch.event == nullptr) {
      batch = relocator_->references(batch);
      return true;
    }
    events_.clear();
    next_event_ = 0;
    thread_ = batch.thread;
    hear(batch);
    relocator_->event(thread_, *batch.event, events_);
  }
  batch = trace::Batch{};
  batch.thread = thread_;
  batch.event = &events_[next_event_++];
  return true;
}

void TraceSource::report(stats::Report& report) const {
  report_relocation(relocator_ != nullptr,
                    relocator_ != nullptr ? relocator_->counters() : RelocationCounters{}, report);
}

void TraceSource::identify(Replayed& replayed) const {
  replayed.header = reader_.header();
  replayed.trace_hash = reader_.content_hash();
  replayed.torn = reader_.torn();
}

}  // namespace mmusim::sim
