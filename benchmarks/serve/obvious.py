"""What anyone would write first: a Celery task a photo, the FP32 file, every default as it comes."""

import json
import os
from typing import Any

import numpy as np
import onnxruntime as ort
from celery import Celery

from pallor.image.decode import decode
from pallor.image.preprocess import to_input
from pallor.image.spec import PreprocessSpec
from pallor.messages import PredictCase, RecordPrediction
from pallor.store import open_store

app = Celery("obvious", broker=os.environ["PALLOR_BROKER_URL"])
app.conf.task_ignore_result = True
store = open_store(os.environ["PALLOR_STORE_URL"], make=False)
spec = PreprocessSpec.from_json(json.loads(os.environ["BENCHMARK_PREPROCESS"]))
session: Any = None


def predict_case(payload: dict[str, str]) -> None:
    global session
    if session is None:
        session = ort.InferenceSession(os.environ["BENCHMARK_MODEL"])
    photo = to_input(spec, decode(store.get(payload["object_key"])))
    probability, cam, embedding = (np.asarray(part)[0].tolist() for part in session.run(None, {"rgb": photo[None]}))
    answer = {"photo_id": payload["photo_id"], "probability": probability, "cam": cam, "embedding": embedding}
    app.send_task(RecordPrediction.NAME, kwargs={"payload": answer}, queue=RecordPrediction.QUEUE)


app.task(name=PredictCase.NAME)(predict_case)
