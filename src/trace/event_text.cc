#include "trace/event_text.h"

#include <utility>

#include "base/linux_abi.h"
#include "trace/event_fields.h"
#include "trace/json_fields.h"
#include "trace/text_fields.h"

namespace mmusim::trace {
namespace {

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
  std::visit([&](const auto& e) { EventFields::visit(writer, e); }, event);
}

void write_json_fields(fmt::memory_buffer& out, const Event& event) {
  JsonFieldWriter writer(out);
  std::visit([&](const auto& e) { EventFields::visit(writer, e); }, event);
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
  std::visit([&](auto& e) { EventFields::visit(reader, e); }, event);
  return reader.problem();
}

}  // namespace mmusim::trace
