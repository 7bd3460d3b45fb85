#include "sim/relocation/trace_source.h"

#include "base/error.h"
#include "base/interrupt.h"
#include "config/keys.h"
#include "kernel/settings.h"
#include "sim/run_limit.h"
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

trace::Reader open_trace(const RunOptions& run) {
  return trace::Reader(run.trace, trace::ReaderOptions{run.accept_torn});
}

// Goes through the whole trace without a machine. Errors: those of relocating it.
void require_fit(const RunOptions& run, const RelocationSides& sides) {
  trace::Reader reader = open_trace(run);
  Relocator rehearsal(sides);
  trace::Batch batch;
  std::vector<trace::Event> events;
  RunLimit limit(run.limit);
  while (!limit.reached() && reader.next(batch)) {
    check_interrupt();
    events.clear();
    if (batch.event != nullptr) {
      rehearsal.event(batch.thread, *batch.event, events);
    } else {
      static_cast<void>(rehearsal.references(batch));
    }
    limit.add(batch.totals.instructions, events.size());
  }
}

// The same for addresses that stay as recorded: nothing may be accessed between the machine's user
// addresses and the end of the recording's. Errors: Error naming the address.
void require_reach(const RunOptions& run, VirtAddr source_top, VirtAddr top, const char* arch) {
  trace::Reader reader = open_trace(run);
  trace::Batch batch;
  RunLimit limit(run.limit);
  const auto check = [&](VirtAddr va) {
    if (va < top || va >= source_top) [[likely]]
      return;
    throw Error(run.trace,
                fmt::format("goes to {:#x}, but the user addresses of {} end at {:#x}", va.value(),
                            arch, top.value()),
                "move it to where it fits with run.relocate = force");
  };
  while (!limit.reached() && reader.next(batch)) {
    check_interrupt();
    limit.add(batch.totals.instructions, batch.event != nullptr ? 1 : 0);
    if (batch.event != nullptr) continue;
    for (const uint32_t number : batch.blocks)
      check(batch.table[number].start);
    for (uint64_t i = 0; i < batch.totals.data_accesses(); ++i)
      check(VirtAddr(batch.addresses[i]));
  }
}

}  // namespace

void TraceSource::require_named(const config::Config& config) {
  if (RunOptions::from(config).trace.empty())
    throw UsageError("run.trace", "no trace is named",
                     "give one on the command line, or run.trace in the config");
}

TraceSource::TraceSource(const config::Config& config, const char* arch,
                         const mmu::AddressLayout& layout, std::optional<PageShift> huge)
    : reader_(open_trace(RunOptions::from(config))) {
  const RunOptions run = RunOptions::from(config);
  if (run.quantum != 0)
    slices_ = std::make_unique<TimeSlices>(run.quantum,
                                           [this](trace::Batch& batch) { return recorded(batch); });
  const trace::Header& header = reader_.header();
  const bool differs = header.isa != arch || header.page != layout.page;
  const VirtAddr end = source_top(header);
  const bool smaller = layout.top < align_down(end, layout.page) - AddressMap::kWindow.bytes();
  if (run.relocate == Relocate::Off || (run.relocate == Relocate::Auto && !differs)) {
    if (smaller) require_reach(run, end, layout.top, arch);
    return;
  }
  if (header.page.log2() > AddressMap::kWindow.log2() || header.page > layout.page) {
    throw Error(run.trace,
                fmt::format("recorded with pages of {} bytes, which this machine's of {} cannot "
                            "stand for",
                            header.page.bytes(), layout.page.bytes()),
                "replay it as recorded with run.relocate = off");
  }
  const kernel::Settings kernel = kernel::Settings::keys().read(config);
  const RelocationSides sides{end,  header.page,         layout, kernel.aslr_bits, kernel.aslr_seed,
                              huge, kernel.special_pages};
  if (smaller) require_fit(run, sides);
  relocator_ = std::make_unique<Relocator>(sides);
}

bool TraceSource::next_relocated(trace::Batch& batch) {
  while (next_event_ == events_.size()) {
    if (!reader_.next(batch)) return false;
    if (batch.event == nullptr) {
      batch = relocator_->references(batch);
      return true;
    }
    events_.clear();
    next_event_ = 0;
    thread_ = batch.thread;
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

}  // namespace mmusim::sim
