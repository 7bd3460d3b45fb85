// Levels of compression: zstd's, but for one.
#ifndef MMUSIM_TRACE_LEVEL_H_
#define MMUSIM_TRACE_LEVEL_H_

namespace mmusim::trace {

// 5 where that gains much, and 3 elsewhere (compressor.h).
inline constexpr int kMixedLevel = 4;

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_LEVEL_H_
