// Events as bytes: a kind, a length, and the fields in the order of record.h. Coding is in
// README.md ("Events"). Kinds are numbered by their place in the variant, from 0; a kind this
// version does not know is an error, never skipped, since a history with a hole in it is wrong.
#ifndef MMUSIM_TRACE_EVENT_CODEC_H_
#define MMUSIM_TRACE_EVENT_CODEC_H_

#include "trace/bytes.h"
#include "trace/record.h"

namespace mmusim::trace {

// Appends kind, length and fields. Errors: Error when a text or list exceeds the format's limits
// (format.h).
void encode_event(ByteBuffer& out, const Event& event);

// Reads `kind`, already taken from `in`, then length and fields. Errors: Error.
Event decode_event(uint8_t kind, ByteReader& in);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_EVENT_CODEC_H_
