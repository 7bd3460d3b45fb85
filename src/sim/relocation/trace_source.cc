#include "sim/relocation/trace_source.h"

#include "base/error.h"
#include "base/interrupt.h"
#include "sim/run_limit.h"

namespace mmusim::sim {

namespace {

// The end of user space on the machine a trace was recorded on.
VirtAddr source_top(const trace::Header& header) {
  if (header.isa == "x86_64") return VirtAddr(uint64_t{1} << 47);
  if (header.isa == "i386") return VirtAddr(0xffff'e000);  // on a 64-bit kernel; else 0xc0000000
  if (header.isa == "ppc64") return VirtAddr(uint64_t{1} << 46);
  if (header.isa == "alpha") return VirtAddr(uint64_t{1} << 42);
  // IA-64 has region 4 begin at 2^63; elsewhere the upper half is the kernel's or a hole's end.
  return VirtAddr(header.isa == "ia64" ? uint64_t{5} << 61 : uint64_t{1} << 63);
}

trace::Reader open(const config::Config& config) {
  return trace::Reader(config.text("run.trace"),
                       trace::ReaderOptions{config.flag("run.accept_torn")});
}

// Goes through the whole trace without a machine. Errors: those of relocating it.
void require_fit(const config::Config& config, const RelocationSides& sides) {
  trace::Reader reader = open(config);
  Relocator rehearsal(sides);
  trace::Batch batch;
  std::vector<trace::Event> events;
  RunLimit limit(config);
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
void require_reach(const config::Config& config, VirtAddr source_top, VirtAddr top,
                   const char* arch) {
  trace::Reader reader = open(config);
  trace::Batch batch;
  RunLimit limit(config);
  const auto check = [&](VirtAddr va) {
    if (va < top || va >= source_top) [[likely]]
      return;
    throw Error(config.text("run.trace"),
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

void TraceSource::declare(config::Schema& schema) {
  TimeSlices::declare(schema);
  schema.choice("run.relocate", "auto", {"auto", "off", "force"},
                "Move the trace's addresses to where this architecture places programs. auto: if "
                "the trace was recorded on another architecture or with another page size.");
}

void TraceSource::require_named(const config::Config& config) {
  if (config.text("run.trace").empty())
    throw UsageError("run.trace", "no trace is named",
                     "give one on the command line, or run.trace in the config");
}

TraceSource::TraceSource(const config::Config& config, const char* arch,
                         const mmu::AddressLayout& layout, std::optional<PageShift> huge)
    : reader_(open(config)) {
  if (const uint64_t quantum = config.number("sched.quantum"); quantum != 0)
    slices_ = std::make_unique<TimeSlices>(quantum,
                                           [this](trace::Batch& batch) { return recorded(batch); });
  const trace::Header& header = reader_.header();
  const std::string& wish = config.choice("run.relocate");
  const bool differs = header.isa != arch || header.page != layout.page;
  const VirtAddr end = source_top(header);
  const bool smaller = layout.top < align_down(end, layout.page) - AddressMap::kWindow.bytes();
  if (wish == "off" || (wish == "auto" && !differs)) {
    if (smaller) require_reach(config, end, layout.top, arch);
    return;
  }
  if (header.page.log2() > AddressMap::kWindow.log2() || header.page > layout.page) {
    throw Error(config.text("run.trace"),
                fmt::format("recorded with pages of {} bytes, which this machine's of {} cannot "
                            "stand for",
                            header.page.bytes(), layout.page.bytes()),
                "replay it as recorded with run.relocate = off");
  }
  const RelocationSides sides{end,
                              header.page,
                              layout,
                              static_cast<unsigned>(config.number("kernel.aslr")),
                              config.number("kernel.aslr_seed"),
                              huge,
                              config.flag("kernel.special_pages")};
  if (smaller) require_fit(config, sides);
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
