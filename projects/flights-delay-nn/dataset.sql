-- One row a scheduled departure from New York: what is known three hours before it, and whether it landed late.
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
    d.departs_minute as dep_minute_of_day,
    isodow(make_date(d.year, d.month, d.day)) as weekday,
    -- Clocks at both ends are local; a day is added when the arrival is past midnight.
    (d.arrives_minute - d.departs_minute + 1440) % 1440 as scheduled_minutes,
    -- The last hourly observation that was out three hours before departure.
    w.temp,
    w.dewp,
    w.humid,
    w.wind_dir,
    w.wind_speed,
    w.wind_gust,
    w.precip,
    w.pressure,
    w.visib,
    -- A cancelled or diverted flight has no arrival, and so no label.
    (d.arr_delay > 15)::int as late
from departures as d
left join weather as w
    on w.origin = d.origin and w.time_hour = date_trunc('hour', d.departs_at - interval 3 hour)
