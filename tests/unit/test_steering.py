"""A run that is told to end: the handler of the signal must not wait for what it interrupts."""

import os
import signal
import threading

from darkroom.steering import let_others_end


def test_a_handler_that_takes_a_lock_does_not_wait_for_the_thread_that_it_interrupts():
    lock, ended = threading.Lock(), threading.Event()

    def end(number, frame):
        if lock.acquire(timeout=5):  # Snakemake's waits for ever
            ended.set()
            lock.release()

    before = signal.signal(signal.SIGTERM, end)
    try:
        let_others_end(signal.SIGTERM)
        with lock:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not ended.wait(0.2), "it has the lock that is held here"
        assert ended.wait(2)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_without_a_handler_is_left_alone():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        let_others_end(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
