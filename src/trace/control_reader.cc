#include "trace/control_reader.h"

#include "trace/event_codec.h"
#include "trace/format.h"

namespace mmusim::trace {

void ControlReader::open(std::span<const uint8_t> bytes, const Place& place) {
  place_ = place;
  in_ = ByteReader(bytes, place_, name_of(Stream::Control));
  has_thread_ = false;
  run_ = in_.varint();
  item_due_ = !in_.at_end();
}

void ControlReader::take_item(Batch& batch) {
  const uint8_t kind = in_.byte();
  if (kind == kThreadItem) {
    const auto pid = in_.varint_up_to(UINT32_MAX, "a process id");
    const auto tid = in_.varint_up_to(UINT32_MAX, "a thread id");
    thread_ = {Pid(static_cast<uint32_t>(pid)), Tid(static_cast<uint32_t>(tid))};
    has_thread_ = true;
  } else {
    if (!has_thread_) in_.fail("an event before any thread");
    event_ = decode_event(kind, in_);
    batch.thread = thread_;
    batch.event = &event_;
  }
  run_ = in_.varint();
  item_due_ = !in_.at_end();
}

}  // namespace mmusim::trace
