// Ctrl-C as a value: long loops ask now and then and stop by throwing, so that nothing is left half
// written.
#ifndef MMUSIM_BASE_INTERRUPT_H_
#define MMUSIM_BASE_INTERRUPT_H_

namespace mmusim {

// Makes SIGINT and SIGTERM set a flag instead of killing the process. A second signal kills at once
// if it comes later than a second or two; before that it is taken as the same one, since a wrapper
// that passes signals on (timeout, a shell script) makes one Ctrl-C arrive twice.
void catch_interrupts();

// Throws Error (exit status 130) if a signal has come since catch_interrupts(). Cheap: one relaxed
// load.
void check_interrupt();

}  // namespace mmusim

#endif  // MMUSIM_BASE_INTERRUPT_H_
