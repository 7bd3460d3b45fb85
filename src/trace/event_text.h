// Events as text: their kind's name and its fields (text_fields.h), written and read by the same
// list of fields, so that what was written comes back.
//
//     mmap   hint=0x0 length=4096 prot=rw- flags=0x22 fd=-1 offset=0 result=0x7f0000000000
//
// Read with defaults, so that an event can be written by hand: a private anonymous mapping needs
// length and result alone.
#ifndef MMUSIM_TRACE_EVENT_TEXT_H_
#define MMUSIM_TRACE_EVENT_TEXT_H_

#include <fmt/format.h>
#include <optional>
#include <string>
#include <string_view>

#include "trace/record.h"

namespace mmusim::trace {

// Appends all fields of an event, each with a blank before it.
void write_fields(fmt::memory_buffer& out, const Event& event);

// Appends them as members of a JSON object, with commas between them (json_fields.h).
void write_json_fields(fmt::memory_buffer& out, const Event& event);

// The event of kind `name` ("mmap"), its fields as they are by default; nothing if there is none.
std::optional<Event> event_named(std::string_view name);

// Reads the fields in `text` into an event that event_named() gave. What is wrong with them, ""
// if nothing is; the event is then not to be used.
std::string read_fields(std::string_view text, Event& event);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_EVENT_TEXT_H_
