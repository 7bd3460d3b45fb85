// Cases of shared sub-trees.
#include "pt/conformance/case.h"

namespace mmusim::pt::conformance {

void Case::SharedLeavesAreSeenByAll() {
  const auto a = machine_.factory->create(MmId(1));
  const auto b = machine_.factory->create(MmId(2));
  if (!a->capabilities().shares()) return;
  const PageShift size(machine_.layout.table_span());
  const VirtAddr at(4 * size.bytes());
  const VirtAddr there(6 * size.bytes());
  map(*a, at, page_leaf(1));
  const Rights read(Rights::kRead | Rights::kUser);
  Status status = b->share(there, *a, at, size, read);
  if (status == Status::BadSize) return;
  const bool restricts = status != Status::NotSupported;  // of some rights
  if (!restricts) status = b->share(there, *a, at, size, Rights(0xf));
  CHECK_EQ(status, Status::Ok);
  CHECK_EQ(b->find(there).entry, page_leaf(1));
  CHECK_TRUE(b->find(there).shared);
  CHECK_EQ(b->find(there).mask.has(Rights::kWrite), !restricts);
  CHECK_TRUE(a->find(at).mask.has(Rights::kWrite));
  const uint64_t page = machine_.page.bytes();
  map(*b, there + page, page_leaf(2));
  CHECK_EQ(a->find(at + page).entry, page_leaf(2));
  Entry old = kNone;
  CHECK_EQ(a->clear(handle_at(*a, at), old), Status::Ok);
  CHECK_EQ(b->find(there).entry, kNone);
  CHECK_EQ(a->sharers(at).size(), size_t{2});
  CHECK_EQ(b->share(there, *a, at + page, size, Rights(0xf)), Status::BadAlign);
  CHECK_EQ(a->clear(handle_at(*a, at + page), old), Status::Ok);
}

void Case::UnshareMakesACopy() {
  const auto a = machine_.factory->create(MmId(1));
  const auto b = machine_.factory->create(MmId(2));
  if (!a->capabilities().shares()) return;
  const PageShift size(machine_.layout.table_span());
  const VirtAddr at(2 * size.bytes());
  for (uint64_t i = 0; i < 4; ++i)
    map(*a, at + (i << machine_.page.log2()), page_leaf(1 + i));
  const Status status = b->share(at, *a, at, size, Rights(0xf));
  if (status == Status::BadSize) return;  // not at this one
  CHECK_EQ(status, Status::Ok);
  CHECK_EQ(b->unshare(at,
                      [](size_t, Run& from, Run& to) {
                        for (uint32_t i = 0; i < from.count; ++i)
                          to.set(i, from.get(i));
                        return true;
                      }),
           Status::Ok);
  CHECK_TRUE(!b->find(at).shared);
  Entry old = kNone;
  CHECK_EQ(b->clear(handle_at(*b, at), old), Status::Ok);
  CHECK_EQ(old, page_leaf(1));
  CHECK_EQ(a->find(at).entry, page_leaf(1));
  CHECK_EQ(a->stats().leaves, uint64_t{4});
}

void Case::LeavingASharedSubTree() {
  const auto a = machine_.factory->create(MmId(1));
  const auto b = machine_.factory->create(MmId(2));
  if (!a->capabilities().shares()) return;
  const PageShift size(machine_.layout.table_span());
  const VirtAddr at(2 * size.bytes());
  map(*a, at, page_leaf(1));
  Gather gather;
  CHECK_EQ(a->leave(at, gather), Status::NotSupported);  // nothing is shared there
  const Status status = b->share(at, *a, at, size, Rights(0xf));
  if (status == Status::BadSize) return;  // not at this one
  CHECK_EQ(status, Status::Ok);
  CHECK_EQ(b->leave(at, gather), Status::Ok);
  gather.release_tables();
  CHECK_EQ(b->find(at).entry, kNone);
  CHECK_EQ(a->find(at).entry, page_leaf(1));
}

}  // namespace mmusim::pt::conformance
