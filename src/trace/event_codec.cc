#include "trace/event_codec.h"

#include <limits>
#include <type_traits>
#include <utility>

#include "trace/format.h"

namespace mmusim::trace {
namespace {

// One list of fields per event kind serves both directions: Sink is the encoder or the decoder.
template <class Sink, class T>
void fields(Sink& sink, T& event) {
  using E = std::remove_const_t<T>;
  if constexpr (std::is_same_v<E, ExecEvent>) {
    sink(event.program);
    sink(event.arguments);
    sink(event.image);
    sink(event.brk);
    sink(event.stack_top);
  } else if constexpr (std::is_same_v<E, ImageArea>) {
    sink(event.range.begin);
    sink(event.range.end);
    sink(event.prot);
    sink(event.flags);
    sink(event.file_offset);
    sink(event.name);
  } else if constexpr (std::is_same_v<E, MmapEvent>) {
    sink(event.hint);
    sink(event.length);
    sink(event.prot);
    sink(event.flags);
    sink(event.fd);
    sink(event.offset);
    sink(event.result);
    sink(event.file);
  } else if constexpr (std::is_same_v<E, MunmapEvent>) {
    sink(event.start);
    sink(event.length);
    sink(event.result);
  } else if constexpr (std::is_same_v<E, MprotectEvent>) {
    sink(event.start);
    sink(event.length);
    sink(event.prot);
    sink(event.result);
  } else if constexpr (std::is_same_v<E, MremapEvent>) {
    sink(event.old_start);
    sink(event.old_length);
    sink(event.new_length);
    sink(event.flags);
    sink(event.new_hint);
    sink(event.result);
  } else if constexpr (std::is_same_v<E, BrkEvent>) {
    sink(event.requested);
    sink(event.result);
  } else if constexpr (std::is_same_v<E, MadviseEvent>) {
    sink(event.start);
    sink(event.length);
    sink(event.advice);
    sink(event.result);
  } else if constexpr (std::is_same_v<E, ForkEvent>) {
    sink(event.child.pid);
    sink(event.child.tid);
    sink(event.clone_flags);
    sink(event.shares_memory);
  } else if constexpr (std::is_same_v<E, ExitEvent>) {
    sink(event.status);
    sink(event.whole_process);
  } else if constexpr (std::is_same_v<E, WaitEvent>) {
    sink(event.child);
    sink(event.status);
  } else if constexpr (std::is_same_v<E, SwitchEvent>) {
    sink(event.cpu);
  } else if constexpr (std::is_same_v<E, MarkerEvent>) {
    sink(event.text);
  } else if constexpr (std::is_same_v<E, TruncateEvent>) {
    sink(event.fd);
    sink(event.length);
    sink(event.result);
    sink(event.file);
  } else if constexpr (std::is_same_v<E, FallocateEvent>) {
    sink(event.fd);
    sink(event.mode);
    sink(event.offset);
    sink(event.length);
    sink(event.result);
    sink(event.file);
  } else if constexpr (std::is_same_v<E, MsyncEvent>) {
    sink(event.start);
    sink(event.length);
    sink(event.flags);
    sink(event.result);
  } else if constexpr (std::is_same_v<E, LockEvent>) {
    sink(event.what);
    sink(event.start);
    sink(event.length);
    sink(event.flags);
    sink(event.result);
  } else if constexpr (std::is_same_v<E, ThpEvent>) {
    sink(event.disable);
    sink(event.flags);
    sink(event.result);
  } else if constexpr (std::is_same_v<E, ProcessMadviseEvent>) {
    sink(event.target);
    sink(event.start);
    sink(event.length);
    sink(event.advice);
    sink(event.result);
  } else {
    static_assert(std::is_same_v<E, OtherCallEvent>);
    sink(event.name);
    sink(event.result);
  }
}

void check_writable(size_t size, uint64_t limit, const char* what) {
  if (size > limit) {
    throw Error("trace event", fmt::format("{} {} are too many", size, what),
                fmt::format("the trace format allows {}", limit));
  }
}

class Encoder {
 public:
  explicit Encoder(ByteBuffer& out) : out_(out) {}

  void operator()(bool value) { out_.byte(value ? 1 : 0); }
  void operator()(uint32_t value) { out_.varint(value); }
  void operator()(uint64_t value) { out_.varint(value); }
  void operator()(int32_t value) { out_.signed_varint(value); }
  void operator()(int64_t value) { out_.signed_varint(value); }
  template <class Tag, class Rep>
  void operator()(const Id<Tag, Rep>& value) {
    out_.varint(value.value());
  }
  void operator()(const std::string& text) {
    check_writable(text.size(), kMaxTextBytes, "bytes of text");
    out_.text(text);
  }
  template <class Item>
  void operator()(const std::vector<Item>& list) {
    check_writable(list.size(), kMaxListItems, "arguments or areas of an exec");
    out_.varint(list.size());
    for (const Item& item : list) {
      if constexpr (std::is_same_v<Item, ImageArea>) {
        fields(*this, item);
      } else {
        (*this)(item);
      }
    }
  }

 private:
  ByteBuffer& out_;
};

class Decoder {
 public:
  explicit Decoder(ByteReader& in) : in_(in) {}

  void operator()(bool& value) { value = in_.flag(); }
  void operator()(uint64_t& value) { value = in_.varint(); }
  void operator()(int64_t& value) { value = in_.signed_varint(); }
  void operator()(uint32_t& value) { value = number32(); }
  void operator()(int32_t& value) {
    const int64_t wide = in_.signed_varint();
    if (!std::in_range<int32_t>(wide)) in_.fail("a number exceeds 32 bits");
    value = static_cast<int32_t>(wide);
  }
  template <class Tag, class Rep>
  void operator()(Id<Tag, Rep>& value) {
    value = Id<Tag, Rep>(number<Rep>());
  }
  void operator()(VirtAddr& value) { value = VirtAddr(in_.varint()); }
  void operator()(std::string& text) { text = in_.text(kMaxTextBytes, "the length of a text"); }
  template <class Item>
  void operator()(std::vector<Item>& list) {
    const uint64_t count = in_.varint_up_to(kMaxListItems, "the length of a list");
    // Each item takes a byte at least: a list longer than the data is refused before it is made.
    if (count > in_.left()) in_.fail("a list is longer than the data");
    list.resize(count);
    for (Item& item : list) {
      if constexpr (std::is_same_v<Item, ImageArea>) {
        fields(*this, item);
      } else {
        (*this)(item);
      }
    }
  }

 private:
  uint32_t number32() {
    return static_cast<uint32_t>(
        in_.varint_up_to(std::numeric_limits<uint32_t>::max(), "a 32-bit number"));
  }
  template <class Rep>
  Rep number() {
    if constexpr (sizeof(Rep) == sizeof(uint32_t)) {
      return number32();
    } else {
      return in_.varint();
    }
  }

  ByteReader& in_;
};

template <size_t... Kinds>
Event empty_event(size_t kind, std::index_sequence<Kinds...>) {
  Event event;
  static_cast<void>(((kind == Kinds && (event.emplace<Kinds>(), true)) || ...));
  return event;
}

}  // namespace

void encode_event(ByteBuffer& out, const Event& event) {
  ByteBuffer payload;
  Encoder encoder(payload);
  std::visit([&](const auto& e) { fields(encoder, e); }, event);
  check_writable(payload.size(), kMaxEventBytes, "bytes of an event");
  out.byte(static_cast<uint8_t>(event.index()));
  out.varint(payload.size());
  out.append(payload.data(), payload.size());
}

Event decode_event(uint8_t kind, ByteReader& in) {
  constexpr size_t kKinds = std::variant_size_v<Event>;
  if (kind >= kKinds) in.fail(fmt::format("unknown event kind {}", kind));
  const uint64_t bytes = in.varint_up_to(kMaxEventBytes, "the length of an event");
  if (bytes > in.left()) in.fail("an event is longer than the data");
  const size_t end = in.position() + bytes;
  Event event = empty_event(kind, std::make_index_sequence<kKinds>());
  Decoder decoder(in);
  std::visit([&](auto& e) { fields(decoder, e); }, event);
  if (in.position() != end) {
    in.fail(fmt::format("the length of a {} event is wrong", name_of(event)));
  }
  return event;
}

}  // namespace mmusim::trace
