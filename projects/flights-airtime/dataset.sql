-- One row a scheduled departure from New York: what is known three hours before it, and its minutes in the air.
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
    d.carrier,
    d.origin,
    d.dest,
    d.distance,
    d.hour as dep_hour,
    isodow(make_date(d.year, d.month, d.day)) as weekday,
    dayofyear(make_date(d.year, d.month, d.day)) as day_of_year,
    (d.arrives_minute - d.departs_minute + 1440) % 1440 as scheduled_minutes,
    -- The last hourly observation that was out three hours before departure; wind as its two components.
    w.temp,
    w.pressure,
    w.wind_speed,
    w.wind_speed * sin(radians(w.wind_dir)) as wind_u,
    w.wind_speed * cos(radians(w.wind_dir)) as wind_v,
    -- A cancelled or diverted flight has no air time, and so no label.
    d.air_time
from departures as d
left join weather as w
    on w.origin = d.origin and w.time_hour = date_trunc('hour', d.departs_at - interval 3 hour)
