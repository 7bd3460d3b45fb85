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
    case Status::NotUniform:
      return "not uniform";
    case Status::Busy:
      return "busy";
    case Status::NotSupported:
      return "not supported";
  }
  return "?";
}

RadixGeometry uniform_geometry(PageShift page, unsigned index_bits, unsigned levels,
                               unsigned leaves) {
  RadixGeometry geometry;
  for (unsigned level = 0; level < levels; ++level)
    geometry.push_back({.shift = page.log2() + index_bits * level,
                        .index_bits = index_bits,
                        .leaf_allowed = level < leaves});
  return geometry;
}

Lookup PageTable::find(VirtAddr va, mem::Origin origin) {
  WalkPath path;
  const Lookup found = walk(va, path);
  path.report(*sink_, origin);
  return found;
}

Lookup PageTable::peek(VirtAddr va) const {
  WalkPath path;
  return walk(va, path);
}

WordText PageTable::describe(const WalkStep& /*step*/, VirtAddr /*va*/) const {
  return {};
}

Slot PageTable::ensure_in(const VirtRange& /*area*/, VirtAddr va, PageShift size) {
  return ensure(va, size);
}

Status PageTable::promote(VirtAddr /*va*/, PageShift /*to*/, Gather& /*gather*/) {
  return Status::NotSupported;
}

Status PageTable::share(VirtAddr /*at*/, PageTable& /*source*/, VirtAddr /*from*/,
                        PageShift /*size*/, Rights /*mask*/) {
  return Status::NotSupported;
}

Status PageTable::unshare(VirtAddr /*va*/, const RunCopier& /*copy*/) {
  return Status::Ok;  // nothing is shared
}

Status PageTable::leave(VirtAddr /*va*/, Gather& /*gather*/) {
  return Status::NotSupported;
}

std::vector<Sharer> PageTable::sharers(VirtAddr /*va*/) const {
  return {};
}

}  // namespace mmusim::pt
