#include "kernel/kernel.h"

#include "config/keys.h"
#include "kernel/fault.h"
#include "kernel/folio.h"
#include "kernel/reclaim.h"
#include "kernel/replay.h"
#include "kernel/report.h"
#include "kernel/special.h"
#include "kernel/superpage_policy.h"
#include "kernel/syscalls.h"
#include "kernel/system.h"

namespace mmusim::kernel {

class Kernel::Impl {
 public:
  Impl(const config::Config& config, const Platform& platform)
      : system(config, platform), calls(system) {
    map_gate(system.core);
  }
  System system;
  Syscalls calls;
};

void Kernel::declare(config::Schema& schema) {
  Settings::keys().declare(schema);
  SchedulerOptions::keys().declare(schema);
}

Kernel::Kernel(const config::Config& config, const Platform& platform)
    : impl_(std::make_unique<Impl>(config, platform)) {}

Kernel::~Kernel() = default;

CpuId Kernel::turn(trace::ThreadId thread) {
  return impl_->system.turn(thread);
}

void Kernel::run(CpuId cpu, trace::ThreadId thread) {
  impl_->system.run(cpu, thread);
}

void Kernel::apply(CpuId cpu, trace::ThreadId thread, const trace::Event& event) {
  replay_event(impl_->system, cpu, thread, event);
}

FaultOutcome Kernel::fault(CpuId cpu, VirtAddr va, AccessKind kind, mmu::FaultReason reason) {
  System& system = impl_->system;
  system.core.platform.tlbs->work_on(cpu);
  Process* process = system.running(cpu);
  if (at_gate(system.core, va, kind)) {
    ++system.core.counters.gate_accesses;
    return FaultOutcome::Gate;
  }
  const bool hopeless =
      reason == mmu::FaultReason::NonCanonical || reason == mmu::FaultReason::Malformed;
  if (process == nullptr || process->mm == nullptr || hopeless) {
    ++system.core.counters.refused;
    if (hopeless && process != nullptr && process->mm != nullptr) {
      const Vma* vma = process->mm->vmas.find(va);
      if (vma != nullptr && vma->allows(kind)) ++system.core.counters.refused_no_place;
    }
    return FaultOutcome::Refused;
  }
  if (reason == mmu::FaultReason::NoMemory) {
    if (make_room(system.core, 0)) return FaultOutcome::Fixed;
    ++system.core.counters.no_memory;
    return FaultOutcome::NoMemory;
  }
  return user_fault(system.context(*process, cpu), va, kind, reason);
}

bool Kernel::tracks_stores() const {
  return impl_->system.core.page_frames.tracks_stores;
}

void Kernel::note_store(CpuId cpu, VirtAddr va) {
  const AddressSpace* space = impl_->system.current(cpu);
  if (space != nullptr) kernel::note_store(impl_->system.core, *space, va);
}

bool Kernel::keeps_time() const {
  return impl_->system.core.settings.superpage_policy == SuperpagePolicyKind::Promote;
}

void Kernel::ran(CpuId cpu, uint64_t instructions) {
  Core& core = impl_->system.core;
  if (core.policy == nullptr) return;
  core.platform.tlbs->work_on(cpu);
  core.policy->ran(instructions);
}

bool Kernel::counts_misses() const {
  return impl_->system.core.settings.superpage_policy == SuperpagePolicyKind::Online;
}

void Kernel::missed(CpuId cpu, VirtAddr va) {
  Core& core = impl_->system.core;
  AddressSpace* mm = impl_->system.current(cpu);
  if (core.policy == nullptr || mm == nullptr) return;
  const Vma* vma = mm->vmas.find(va);
  if (vma == nullptr) return;
  core.platform.tlbs->work_on(cpu);
  core.policy->missed(*mm, *vma, va);
}

const AddressSpace* Kernel::current(CpuId cpu) const {
  return impl_->system.current(cpu);
}

const pt::PageTable* Kernel::table_of(MmId mm) const {
  const AddressSpace* space = impl_->system.space(mm);
  return space == nullptr ? nullptr : space->table.get();
}

const pt::PageTable* Kernel::table_for(CpuId cpu, VirtAddr va) const {
  const Core& core = impl_->system.core;
  if (core.kernel_table != nullptr && core.platform.layout.gate.range.contains(va))
    return core.kernel_table.get();
  const AddressSpace* space = impl_->system.current(cpu);
  return space == nullptr ? nullptr : space->table.get();
}

Syscalls& Kernel::syscalls() {
  return impl_->calls;
}

const System& Kernel::system() const {
  return impl_->system;
}

void Kernel::shut_down() {
  impl_->system.shut_down();
}

void Kernel::report(stats::Report& report) const {
  report_counters(impl_->system.core, report);
  impl_->system.scheduler.report(report);
}

}  // namespace mmusim::kernel
