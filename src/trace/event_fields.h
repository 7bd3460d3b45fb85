// The fields of each kind of event, in the order in which they are written: one list for all
// notations (text, JSON, a Python module's dictionaries), for writing and for reading.
#ifndef MMUSIM_TRACE_EVENT_FIELDS_H_
#define MMUSIM_TRACE_EVENT_FIELDS_H_

#include <concepts>
#include <type_traits>

#include "trace/record.h"
#include "trace/text_fields.h"

namespace mmusim::trace {

inline constexpr Field kNeeded = Field::Needed;

template <class E, class Kind>
concept Is = std::same_as<std::remove_const_t<E>, Kind>;

// Use: std::visit([&](auto& e) { EventFields::visit(f, e); }, event). `F` has the calls of a
// FieldWriter, and the event is const, or those of a FieldReader.
struct EventFields {
  template <class F, Is<ExecEvent> E>
  static void visit(F& f, E& e) {
    f.text("program", e.program, kNeeded);
    f.address("brk", e.brk);
    f.address("stack_top", e.stack_top);
    f.texts("arguments", e.arguments);
    f.areas("image", e.image);
  }
  template <class F, Is<MmapEvent> E>
  static void visit(F& f, E& e) {
    f.address("hint", e.hint);
    f.number("length", e.length, kNeeded);
    f.rights("prot", e.prot);
    f.hex("flags", e.flags);
    f.number("fd", e.fd);
    f.number("offset", e.offset);
    f.address_result("result", e.result, kNeeded);
    f.text_if_any("file", e.file);
  }
  template <class F, Is<MunmapEvent> E>
  static void visit(F& f, E& e) {
    f.address("start", e.start, kNeeded);
    f.number("length", e.length, kNeeded);
    f.number("result", e.result);
  }
  template <class F, Is<MprotectEvent> E>
  static void visit(F& f, E& e) {
    f.address("start", e.start, kNeeded);
    f.number("length", e.length, kNeeded);
    f.rights("prot", e.prot, kNeeded);
    f.number("result", e.result);
  }
  template <class F, Is<MremapEvent> E>
  static void visit(F& f, E& e) {
    f.address("old_start", e.old_start, kNeeded);
    f.number("old_length", e.old_length, kNeeded);
    f.number("new_length", e.new_length, kNeeded);
    f.hex("flags", e.flags);
    f.address("new_hint", e.new_hint);
    f.address_result("result", e.result, kNeeded);
  }
  template <class F, Is<BrkEvent> E>
  static void visit(F& f, E& e) {
    f.address("requested", e.requested);
    f.address("result", e.result, kNeeded);
  }
  template <class F, Is<MadviseEvent> E>
  static void visit(F& f, E& e) {
    f.address("start", e.start, kNeeded);
    f.number("length", e.length, kNeeded);
    f.number("advice", e.advice, kNeeded);
    f.number("result", e.result);
  }
  template <class F, Is<ForkEvent> E>
  static void visit(F& f, E& e) {
    f.thread("child", e.child, kNeeded);
    f.hex("clone_flags", e.clone_flags);
    f.flag("shares_memory", e.shares_memory);
  }
  template <class F, Is<ExitEvent> E>
  static void visit(F& f, E& e) {
    f.number("status", e.status);
    f.flag("whole_process", e.whole_process);
  }
  template <class F, Is<WaitEvent> E>
  static void visit(F& f, E& e) {
    f.pid("child", e.child, kNeeded);
    f.number("status", e.status);
  }
  template <class F, Is<SwitchEvent> E>
  static void visit(F& f, E& e) {
    uint32_t cpu = e.cpu.value();
    f.number("cpu", cpu, kNeeded);
    if constexpr (!std::is_const_v<E>) e.cpu = CpuId(cpu);
  }
  template <class F, Is<MarkerEvent> E>
  static void visit(F& f, E& e) {
    f.text("text", e.text, kNeeded);
  }
  template <class F, Is<TruncateEvent> E>
  static void visit(F& f, E& e) {
    f.number("fd", e.fd);
    f.number("length", e.length, kNeeded);
    f.number("result", e.result);
    f.text_if_any("file", e.file);
  }
  template <class F, Is<FallocateEvent> E>
  static void visit(F& f, E& e) {
    f.number("fd", e.fd);
    f.hex("mode", e.mode);
    f.number("offset", e.offset);
    f.number("length", e.length, kNeeded);
    f.number("result", e.result);
    f.text_if_any("file", e.file);
  }
  template <class F, Is<MsyncEvent> E>
  static void visit(F& f, E& e) {
    f.address("start", e.start, kNeeded);
    f.number("length", e.length, kNeeded);
    f.hex("flags", e.flags);
    f.number("result", e.result);
  }
  template <class F, Is<LockEvent> E>
  static void visit(F& f, E& e) {
    f.word("what", e.what, {"lock", "unlock", "lock-all", "unlock-all"}, kNeeded);
    f.address("start", e.start);
    f.number("length", e.length);
    f.hex("flags", e.flags);
    f.number("result", e.result);
  }
  template <class F, Is<ThpEvent> E>
  static void visit(F& f, E& e) {
    f.number("disable", e.disable, kNeeded);
    f.hex("flags", e.flags);
    f.number("result", e.result);
  }
  template <class F, Is<ProcessMadviseEvent> E>
  static void visit(F& f, E& e) {
    f.pid("target", e.target, kNeeded);
    f.address("start", e.start, kNeeded);
    f.number("length", e.length, kNeeded);
    f.number("advice", e.advice, kNeeded);
    f.number("result", e.result);
  }
  template <class F, Is<OtherCallEvent> E>
  static void visit(F& f, E& e) {
    f.text("name", e.name, kNeeded);
    f.number("result", e.result);
  }
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_EVENT_FIELDS_H_
