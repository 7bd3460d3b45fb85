// The program's system calls, and the threads and processes they make: QEMU's callbacks for them.
#ifndef MMUSIM_RECORD_PLUGIN_CALLING_H_
#define MMUSIM_RECORD_PLUGIN_CALLING_H_

#include <cstdint>

#include "record/isa.h"
#include "record/plugin/qemu_api.h"

namespace mmusim::record::plugin {

// Before any of the others.
void know_calls(const Isa& isa);

void on_call(qemu_plugin_id_t id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2,
             uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);
void on_return(qemu_plugin_id_t id, unsigned vcpu, int64_t number, int64_t result);
void on_thread(qemu_plugin_id_t id, unsigned vcpu);
void on_thread_end(qemu_plugin_id_t id, unsigned vcpu);

// For pthread_atfork.
void before_fork();
void after_fork_of_parent();
void after_fork();

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_CALLING_H_
