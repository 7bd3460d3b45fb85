#include "trace/event_text.h"

#include <concepts>
#include <type_traits>
#include <utility>

#include "base/linux_abi.h"
#include "trace/json_fields.h"
#include "trace/text_fields.h"

namespace mmusim::trace {
namespace {

constexpr Field kNeeded = Field::Needed;

template <class E, class Kind>
concept Is = std::same_as<std::remove_const_t<E>, Kind>;

// The fields of each kind, in the order in which they are written. `F` is a FieldWriter or a
// JsonFieldWriter, and the event const, or a FieldReader.
struct Fields {
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

template <size_t... kKinds>
Event event_of_kind(size_t kind, std::index_sequence<kKinds...>) {
  Event event;
  static_cast<void>(((kind == kKinds && (event.emplace<kKinds>(), true)) || ...));
  return event;
}

// What a call is that says nothing else.
struct Defaults {
  void operator()(MmapEvent& e) const {
    e.prot = abi::kProtRead | abi::kProtWrite;
    e.flags = abi::kMapPrivate | abi::kMapAnonymous;
  }
  void operator()(MremapEvent& e) const { e.flags = abi::kRemapMayMove; }
  void operator()(ForkEvent& e) const { e.clone_flags = abi::kSignalChild; }
  template <class Other>
  void operator()(Other&) const {}
};

}  // namespace

void write_fields(fmt::memory_buffer& out, const Event& event) {
  FieldWriter writer(out);
  std::visit([&](const auto& e) { Fields::visit(writer, e); }, event);
}

void write_json_fields(fmt::memory_buffer& out, const Event& event) {
  JsonFieldWriter writer(out);
  std::visit([&](const auto& e) { Fields::visit(writer, e); }, event);
}

std::optional<Event> event_named(std::string_view name) {
  constexpr size_t kKinds = std::variant_size_v<Event>;
  for (size_t kind = 0; kind < kKinds; ++kind) {
    if (name != event_kind_name(kind)) continue;
    Event event = event_of_kind(kind, std::make_index_sequence<kKinds>());
    std::visit(Defaults(), event);
    return event;
  }
  return std::nullopt;
}

std::string read_fields(std::string_view text, Event& event) {
  FieldReader reader(text);
  std::visit([&](auto& e) { Fields::visit(reader, e); }, event);
  return reader.problem();
}

}  // namespace mmusim::trace
