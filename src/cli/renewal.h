/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates in files that somebody else makes anew: a process reads them again when four fifths of their
 * life are over, and again and again, more often, while they are still the old ones.
 */
#pragma once

#include "base/log.h"
#include "io/world.h"

/* Embedded in its owner; zero: none. */
typedef struct cli_renewal {
	sp_world *world;
	sp_log *log;
	sp_str path; /* of the certificate, PEM; stays */
	/* Reads what it needs and uses it. An error is logged; the old ones stay in use. */
	sp_code (*reload)(void *arg, sp_err *err);
	void *arg;
	sp_timer timer;
} cli_renewal;

/* The first five members are set. */
void cli_renewal_start(cli_renewal *r);
/* Reads now, too (a signal). */
void cli_renewal_now(cli_renewal *r);
/* Harmless for one that never started. */
void cli_renewal_stop(cli_renewal *r);
