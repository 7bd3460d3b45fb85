#include "pt/run.h"

namespace mmusim::pt {

Run Run::part(uint32_t first, uint32_t n) const {
  MMUSIM_ASSERT(first <= count && n <= count - first);
  Run run = *this;
  const uint64_t bytes = uint64_t{first} * replicas_ * stride_;
  run.start = address(first);
  run.count = n;
  run.words_ = words_ + bytes;
  run.physical_ = physical_ + bytes;
  return run;
}

void Run::report(mem::ReferenceSink& sink, mem::Origin origin, uint64_t reads,
                 uint64_t writes) const {
  const mem::Touch touch{.origin = origin, .level = level_, .dependent = false};
  // One replica answers a read; a write goes to all of them.
  if (reads != 0) sink.reference_run(physical_, uint64_t{stride_} * replicas_, reads, false, touch);
  if (writes != 0) sink.reference_run(physical_, stride_, writes * replicas_, true, touch);
}

}  // namespace mmusim::pt
