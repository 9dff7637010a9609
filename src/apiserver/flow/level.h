/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A priority level: so many seats, and queues for what waits for one. A flow is dealt a hand of the queues by
 * its hash and waits in the shortest of them (shuffle sharding), so a flood fills only its own hand. Seats go
 * to the queue that had least so far: each queue has a virtual time that its requests' durations are added to
 * (start-time fair queueing; an estimate when a request begins, put right when it ends). U: apiserver
 * pkg/util/flowcontrol/fairqueuing/queueset, pkg/util/shufflesharding.
 *
 * Every request takes one seat. Levels do not lend seats.
 */
#pragma once

#include "base/list.h"
#include "io/world.h"

#define API_LEVEL_NAME_MAX 253u
#define API_LEVEL_HAND_MAX 10u
#define API_LEVEL_QUEUES_MAX 10000u /* more are not made; upstream allows 10,000,000 */
#define API_LEVEL_WAIT_NS UINT64_C(15000000000)

typedef struct api_level_spec {
	bool exempt;  /* nothing waits */
	bool queuing; /* otherwise what gets no seat is refused */
	uint32_t seats, queues, hand_size, queue_length;
} api_level_spec;

typedef struct api_level api_level;
struct api_level_queue;

typedef enum api_place { API_PLACE_NONE, API_PLACE_WAITS, API_PLACE_RUNS } api_place;

/* One request's place; embedded, zeroed at first. */
typedef struct api_ticket {
	sp_list node;
	api_level *level;
	struct api_level_queue *queue; /* where it waited or waits; NULL: it never did */
	uint64_t hash, since_ns;       /* since when it waits or runs */
	sp_timer timer;
	uint8_t place; /* api_place */
	/* From the loop, for one that waited: it has a seat now / it waited too long and has left. */
	void (*on_seat)(struct api_ticket *t);
	void (*on_timeout)(struct api_ticket *t);
} api_ticket;

typedef enum api_entry {
	API_ENTRY_RUNS,
	API_ENTRY_WAITS,
	API_ENTRY_NO_SEAT,    /* refused: all are taken and nothing may wait */
	API_ENTRY_QUEUE_FULL, /* refused: so is every queue of the flow's hand */
} api_entry;

/* NULL: no room. It exempts everybody until it is configured. */
api_level *api_level_new(sp_world *w, sp_str name) SP_MUST_USE;
/* It goes with its last request. Not from inside a callback of a ticket of it. */
void api_level_retire(api_level *l);
/* Those that wait keep on waiting, in queues that fit the new number. SP_ENOMEM changes nothing. */
sp_code api_level_configure(api_level *l, const api_level_spec *spec, sp_err *err) SP_MUST_USE;

sp_str api_level_name(const api_level *l);
size_t api_level_seats(const api_level *l);
size_t api_level_running(const api_level *l);
size_t api_level_waiting(const api_level *l);

/* hash: of what makes a flow. */
api_entry api_level_enter(api_level *l, api_ticket *t, uint64_t hash);
/* Gives back the seat, or the place in the queue. A ticket that has neither is left alone. */
void api_ticket_leave(api_ticket *t);

/* Up to hand_size different numbers below `queues`, from one hash; returns how many. */
size_t api_level_deal(uint64_t hash, uint32_t queues, uint32_t hand_size, uint32_t ret[API_LEVEL_HAND_MAX]);
