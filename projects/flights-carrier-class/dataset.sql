-- One row a scheduled departure from New York: what its slot says, and the class of carrier that flew it.
with departures as (
    select
        *,
        time_hour + to_minutes(minute) as departs_at,
        (sched_arr_time // 100) * 60 + sched_arr_time % 100 as arrives_minute,
        hour * 60 + minute as departs_minute
    from flights
    where time_hour >= $start - interval 1 hour and time_hour < $end
)
select
    concat_ws('-', d.carrier, d.flight, d.origin, strftime(d.departs_at, '%Y%m%dT%H%M')) as flight_id,
    d.departs_at,
    d.origin,
    d.dest,
    d.distance,
    d.departs_minute as dep_minute_of_day,
    d.minute as dep_minute,
    isodow(make_date(d.year, d.month, d.day)) as weekday,
    (d.arrives_minute - d.departs_minute + 1440) % 1440 as scheduled_minutes,
    -- How busy the airport is in the hour before: known from the schedule.
    count(*) over hour_before as departures_before,
    w.visib,
    case
        when d.carrier in ('AA', 'AS', 'DL', 'HA', 'UA', 'US') then 'legacy'
        when d.carrier in ('B6', 'F9', 'FL', 'VX', 'WN') then 'low-cost'
        else 'regional'
    end as carrier_class
from departures as d
left join weather as w
    on w.origin = d.origin and w.time_hour = date_trunc('hour', d.departs_at - interval 3 hour)
window hour_before as (
    partition by d.origin order by d.departs_at
    range between interval 1 hour preceding and interval 1 minute preceding
)
