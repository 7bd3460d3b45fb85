#include "pt/gather.h"

#include "pt/table_allocator.h"

namespace mmusim::pt {

void Gather::release_tables() {
  for (const RemovedTable& table : tables_)
    table.allocator->free(table.address, table.bytes);
  tables_.clear();
}

}  // namespace mmusim::pt
