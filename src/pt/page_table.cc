#include "pt/page_table.h"

namespace mmusim::pt {

const char* name_of(Status status) {
  switch (status) {
    case Status::Ok:
      return "ok";
    case Status::NoMemory:
      return "no memory";
    case Status::Overlap:
      return "overlap";
    case Status::Occupied:
      return "occupied";
    case Status::BadSize:
      return "bad size";
    case Status::BadAlign:
      return "bad alignment";
    case Status::Changed:
      return "changed";
    case Status::Moved:
      return "moved";
    case Status::Stopped:
      return "stopped";
    case Status::NotSupported:
      return "not supported";
  }
  return "?";
}

Run Run::part(uint32_t first, uint32_t n) const {
  MMUSIM_ASSERT(first <= count && n <= count - first);
  Run run = *this;
  const uint64_t words = uint64_t{first} * replicas_ * stride_;
  run.start = address(first);
  run.count = n;
  run.words_ = words_ + words;
  run.physical_ = physical_ + words * sizeof(uint64_t);
  return run;
}

void Run::report(mem::ReferenceSink& sink, mem::Origin origin, uint64_t reads,
                 uint64_t writes) const {
  const mem::Touch touch{.origin = origin, .level = level_, .dependent = false};
  const uint64_t slot_bytes = uint64_t{stride_} * sizeof(uint64_t);
  // One replica answers a read; a write goes to all of them.
  if (reads != 0) sink.reference_run(physical_, slot_bytes * replicas_, reads, false, touch);
  if (writes != 0) sink.reference_run(physical_, slot_bytes, writes * replicas_, true, touch);
}

}  // namespace mmusim::pt
